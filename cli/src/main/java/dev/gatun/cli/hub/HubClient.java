package dev.gatun.cli.hub;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.JsonConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Asks the Hub: what files a model has, what each is, and for their bytes. Redirections are followed here and not by HttpClient, which
 * would take the token along to wherever they lead. For one thread.
 */
final class HubClient implements AutoCloseable {
    private static final int MAX_REDIRECTS = 10;
    private static final int MAX_LISTING = 64 << 20;
    private static final int MAX_FILES = 100_000;
    private static final int MAX_MESSAGE = 200;
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Set<Integer> REDIRECTIONS = Set.of(301, 302, 303, 307, 308);
    private static final int TOO_MANY = 429;
    private static final int UNKNOWN_RANGE = 416;

    private final HubOptions options;
    private final Patience patience;
    private final HttpClient http = HttpClient.newBuilder()
            .version(
                    HttpClient.Version
                            .HTTP_1_1) // one file at a time: a stream of HTTP/2 has a window of its own to fill
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT)
            .build();
    private boolean answered; // by anybody, ever

    HubClient(HubOptions options, Patience patience) {
        this.options = options;
        this.patience = patience;
    }

    /**
     * What a revision is made of.
     *
     * @param commit 40 hexadecimal digits
     * @param files their paths, as the server says: not checked
     */
    record Listing(String commit, List<String> files) {}

    /** An answer with a status that is no error; whoever asked closes it. */
    record Answer(int status, HttpHeaders headers, Body body) implements AutoCloseable {
        /** A length or a place; -1 if there is no such header, or it has no such number. */
        static long number(@Nullable String text) {
            try {
                return text == null ? -1 : Math.max(-1, Long.parseLong(text.strip()));
            } catch (NumberFormatException e) {
                return -1;
            }
        }

        @Nullable
        String header(String name) {
            return headers.firstValue(name).orElse(null);
        }

        @Override
        public void close() {
            body.close();
        }
    }

    /** Which files a revision has. */
    Listing listing(HubName name) throws IOException {
        URI address = options.endpoint()
                .resolve(path("/api/models/" + name.repo() + "/revision/" + encoded(name.revision())));
        byte[] bytes;
        try (Answer answer = ask("GET", address, 0, name.toString())) {
            bytes = all(answer.body, address);
        }
        try (Arena arena = Arena.ofConfined()) {
            JsonConfig json = JsonConfig.read(
                    MappedFile.read(address.toString(), new ByteArrayInputStream(bytes), bytes.length, arena));
            String commit = json.requireString("sha");
            if (!COMMIT.matcher(commit).matches()) {
                throw new HubException(address + ": sha is \"" + cut(commit) + "\", which is no commit");
            }
            if (!json.has("siblings")) {
                throw new HubException(address + ": says nothing of files (siblings)");
            }
            List<JsonConfig> siblings = json.objects("siblings");
            if (siblings.size() > MAX_FILES) {
                throw new HubException(
                        address + ": " + siblings.size() + " files, at most " + MAX_FILES + " are allowed");
            }
            List<String> files = new ArrayList<>(siblings.size());
            for (JsonConfig sibling : siblings) {
                files.add(sibling.requireString("rfilename"));
            }
            return new Listing(commit, files);
        }
    }

    /** What a file is: its length and its hash. */
    RemoteFile describe(HubName name, String commit, String path) throws IOException {
        URI address = address(name, commit, path);
        try (Answer answer = ask("HEAD", address, 0, name.repo() + "/" + path)) {
            String linked = answer.header("X-Linked-Etag");
            String size = answer.header("X-Linked-Size");
            return RemoteFile.of(
                    path,
                    address,
                    linked != null ? linked : answer.header("ETag"),
                    Answer.number(size != null ? size : answer.header("Content-Length")));
        }
    }

    /** The bytes of a file from {@code offset} on, or all of them, or none and status 416: the answer says which. */
    Answer open(RemoteFile file, long offset) throws IOException {
        return ask("GET", file.address(), offset, file.path());
    }

    private URI address(HubName name, String commit, String path) {
        var encoded = new StringBuilder("/" + name.repo() + "/resolve/" + commit);
        for (String part : path.split("/", -1)) {
            encoded.append('/').append(encoded(part));
        }
        return options.endpoint().resolve(path(encoded.toString()));
    }

    /** Below the endpoint, which may have a path of its own. */
    private String path(String below) {
        return options.endpoint().getRawPath() + below;
    }

    private static String encoded(String part) {
        return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static byte[] all(Body body, URI address) throws IOException {
        var bytes = new ByteArrayOutputStream();
        for (ByteBuffer part; (part = body.next()) != null; ) {
            if (bytes.size() + part.remaining() > MAX_LISTING) {
                throw new HubException(address + ": more than " + MAX_LISTING + " bytes");
            }
            byte[] chunk = new byte[part.remaining()];
            part.get(chunk);
            bytes.writeBytes(chunk);
        }
        return bytes.toByteArray();
    }

    /** Asks until there is an answer that will not change by asking again. */
    private Answer ask(String method, URI address, long offset, String what) throws IOException {
        for (int i = 1; ; i++) {
            try {
                Answer answer = follow(method, address, offset, what);
                int status = answer.status;
                if (status < 300 || status == UNKNOWN_RANGE || answer.header("X-Linked-Etag") != null && status < 400) {
                    return answer;
                }
                answer.close();
                if (status != TOO_MANY && status < 500) {
                    throw refused(answer, address, what);
                }
                if (i == patience.tries()) {
                    throw HubException.unreachable(
                            address + ": answers " + status + ", " + i + " times", new IOException("status " + status));
                }
                retry(answer, i, address);
            } catch (HubException e) {
                throw e;
            } catch (IOException e) {
                // Without a network a user need not wait for the last try; in the middle of a file it may come back.
                if (!answered || i == patience.tries() || Thread.currentThread().isInterrupted()) {
                    throw unreachable(address, e);
                }
                patience.afterTry(i - 1);
            }
        }
    }

    private static HubException unreachable(URI address, IOException e) {
        String reason = e.getMessage() != null
                ? e.getMessage()
                : e.getCause() != null
                        ? e.getCause().getClass().getSimpleName()
                        : e.getClass().getSimpleName();
        return HubException.unreachable(
                address.getScheme() + "://" + address.getRawAuthority() + " cannot be reached (" + reason + ")", e);
    }

    private void retry(Answer answer, int tried, URI address) throws IOException {
        String after = answer.header("Retry-After");
        if (after == null) {
            patience.afterTry(tried - 1);
            return;
        }
        Duration time = retryAfter(after);
        if (time.compareTo(patience.longest()) > 0) {
            throw HubException.unreachable(
                    address + ": answers " + answer.status + " and asks to come back in " + time.toSeconds()
                            + " s, at most " + patience.longest().toSeconds() + " s are waited",
                    new IOException("status " + answer.status));
        }
        patience.pause(time);
    }

    /** Seconds, or a date. */
    private static Duration retryAfter(String text) {
        long seconds = Answer.number(text);
        if (seconds >= 0) {
            return Duration.ofSeconds(Math.min(seconds, Integer.MAX_VALUE));
        }
        try {
            Instant until = ZonedDateTime.parse(text.strip(), DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant();
            Duration time = Duration.between(Instant.now(), until);
            return time.isNegative() ? Duration.ZERO : time;
        } catch (DateTimeParseException e) {
            return Duration.ofSeconds(1);
        }
    }

    /** One try, through redirections. */
    private Answer follow(String method, URI address, long offset, String what) throws IOException {
        URI at = address;
        for (int i = 0; i <= MAX_REDIRECTS; i++) {
            Answer answer = send(method, at, offset);
            // The Hub says what a file is before it sends the client to where the file is.
            boolean described = method.equals("HEAD") && answer.header("X-Linked-Etag") != null;
            if (described || !REDIRECTIONS.contains(answer.status)) {
                return answer;
            }
            answer.close();
            at = target(at, answer.header("Location"), what);
        }
        throw new HubException(
                what + ": " + address + " leads from one address to the next, more than " + MAX_REDIRECTS + " times");
    }

    private static URI target(URI from, @Nullable String location, String what) throws HubException {
        if (location != null) {
            try {
                URI to = from.resolve(location);
                String scheme = String.valueOf(to.getScheme());
                boolean http = scheme.equals("https") || scheme.equals("http") && !"https".equals(from.getScheme());
                if (http && to.getHost() != null && to.getUserInfo() == null) {
                    return to;
                }
            } catch (IllegalArgumentException e) {
                // No address: said below.
            }
        }
        throw new HubException(what + ": " + from + " leads to "
                + (location == null ? "nowhere" : "\"" + cut(location) + "\"") + ", where it cannot be followed");
    }

    private Answer send(String method, URI address, long offset) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .timeout(patience.answer())
                .header("User-Agent", "gatun")
                .header("Accept-Encoding", "identity"); // lengths are those of the file
        if (offset > 0) {
            request.header("Range", "bytes=" + offset + "-");
        }
        if (options.token() != null && isHub(address)) {
            request.header("Authorization", "Bearer " + options.token());
        }
        try {
            HttpResponse<Body> response = http.send(request.build(), info -> new Body(patience.stall()));
            answered = true;
            return new Answer(response.statusCode(), response.headers(), response.body());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            var interrupted = new InterruptedIOException("interrupted while asking a server");
            interrupted.initCause(e);
            throw interrupted;
        }
    }

    /** Whether an address is the Hub's own: same scheme, host and port. */
    private boolean isHub(URI address) {
        URI hub = options.endpoint();
        return address.getScheme().equalsIgnoreCase(hub.getScheme())
                && address.getHost().equalsIgnoreCase(hub.getHost())
                && address.getPort() == hub.getPort();
    }

    private HubException refused(Answer answer, URI address, String what) {
        String code = answer.header("X-Error-Code");
        String message = answer.header("X-Error-Message");
        String said = (code == null ? "" : ", " + cut(code)) + (message == null ? "" : ": " + cut(message));
        String why = switch (answer.status) {
            case 401, 403 ->
                options.token() == null
                        ? "; there is no such model, or it is not for everybody: HF_TOKEN would show who you are"
                        : "; the token may not read it: has its licence been accepted on the model's page?";
            case 404 -> "; there is no such model, revision or file";
            default -> "";
        };
        return new HubException(what + ": " + address + " answers " + answer.status + said + why);
    }

    private static String cut(String text) {
        return text.length() <= MAX_MESSAGE ? text : text.substring(0, MAX_MESSAGE) + "...";
    }

    @Override
    public void close() {
        http.shutdownNow();
        http.close();
    }
}
