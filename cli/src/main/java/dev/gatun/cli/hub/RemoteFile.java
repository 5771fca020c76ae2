package dev.gatun.cli.hub;

import java.net.URI;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A file of the Hub.
 *
 * @param path in its repository
 * @param address where to ask for it
 * @param hash of its bytes, 40 hexadecimal digits for git's SHA-1 or 64 for SHA-256: the name of its blob
 * @param size bytes
 */
record RemoteFile(String path, URI address, String hash, long size) {
    private static final Pattern HASH = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

    /**
     * What the headers of an answer say.
     *
     * @throws HubException if they have no hash or no length: such a file could not be checked
     */
    static RemoteFile of(String path, URI address, @Nullable String etag, long size) throws HubException {
        String hash = etag == null ? "" : etag.strip().replaceFirst("^W/", "").replaceAll("^\"|\"$", "");
        if (!HASH.matcher(hash).matches()) {
            throw new HubException(address + ": "
                    + (etag == null ? "has no ETag" : "its ETag is " + etag.substring(0, Math.min(100, etag.length())))
                    + ", where a SHA-1 or SHA-256 is needed to check the file");
        }
        if (size < 0) {
            throw new HubException(address + ": does not say how long the file is");
        }
        return new RemoteFile(path, address, hash, size);
    }
}
