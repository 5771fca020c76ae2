package dev.gatun.cli.hub;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where the Hub is and where its files are kept, from the variables that all its clients know.
 *
 * @param endpoint the Hub, by {@code HF_ENDPOINT}
 * @param cache folder of models, by {@code HF_HUB_CACHE}, or {@code hub} in {@code HF_HOME}
 * @param token that shows who asks, by {@code HF_TOKEN} or the file that a login leaves; null for nobody
 * @param offline whether only what is in the cache is used, by {@code HF_HUB_OFFLINE}
 */
public record HubOptions(URI endpoint, Path cache, @Nullable String token, boolean offline) {
    private static final String ENDPOINT = "https://huggingface.co";
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

    /**
     * What the environment says.
     *
     * @param home the user's folder
     * @throws IOException if a variable has a value that cannot be used; the message never has the token
     */
    public static HubOptions of(Map<String, String> environment, Path home) throws IOException {
        String xdg = value(environment, "XDG_CACHE_HOME");
        Path caches = xdg == null ? home.resolve(".cache") : expand(xdg, home);
        String hfHome = value(environment, "HF_HOME");
        Path own = hfHome == null ? caches.resolve("huggingface") : expand(hfHome, home);
        String hubCache = value(environment, "HF_HUB_CACHE");
        String offline = value(environment, "HF_HUB_OFFLINE");
        return new HubOptions(
                endpoint(value(environment, "HF_ENDPOINT")),
                hubCache == null ? own.resolve("hub") : expand(hubCache, home),
                token(environment, own, home),
                offline != null && TRUE.contains(offline.toUpperCase(Locale.ROOT)));
    }

    private static @Nullable String value(Map<String, String> environment, String name) {
        String value = environment.get(name);
        return value == null || value.isBlank() ? null : value.strip();
    }

    private static Path expand(String path, Path home) {
        return path.startsWith("~/") ? home.resolve(path.substring(2)) : Path.of(path);
    }

    private static URI endpoint(@Nullable String value) throws IOException {
        String text = value == null ? ENDPOINT : value;
        try {
            URI uri = new URI(text.endsWith("/") ? text.substring(0, text.length() - 1) : text);
            boolean http = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (http
                    && uri.getHost() != null
                    && uri.getUserInfo() == null
                    && uri.getQuery() == null
                    && uri.getFragment() == null) {
                return uri;
            }
        } catch (URISyntaxException e) {
            throw new IOException("HF_ENDPOINT is " + text + ", which is no address: " + e.getReason(), e);
        }
        throw new IOException("HF_ENDPOINT is " + text + ", which is not the address of a server, http or https");
    }

    private static @Nullable String token(Map<String, String> environment, Path own, Path home) throws IOException {
        String token = value(environment, "HF_TOKEN");
        String name = "HF_TOKEN";
        if (token == null) {
            String path = value(environment, "HF_TOKEN_PATH");
            Path file = path == null ? own.resolve("token") : expand(path, home);
            if (!Files.isReadable(file) || Files.size(file) > 1 << 16) {
                return null;
            }
            token = Files.readString(file).strip();
            name = file.toString();
        }
        if (token.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw new IOException(name + " has spaces or characters that no token has");
        }
        return token.isEmpty() ? null : token;
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "HubOptions[" + endpoint + ", " + cache + (token == null ? "" : ", with a token")
                + (offline ? ", offline" : "") + "]";
    }
}
