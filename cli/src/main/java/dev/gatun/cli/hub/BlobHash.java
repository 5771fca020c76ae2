package dev.gatun.cli.hub;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The hash that names a blob: SHA-256 of a large file, and of a small one the SHA-1 that git gives it. */
final class BlobHash {
    private static final int SHA256_DIGITS = 64;

    private final RemoteFile file;
    private MessageDigest digest;

    BlobHash(RemoteFile file) {
        this.file = file;
        this.digest = start();
    }

    private MessageDigest start() {
        try {
            if (file.hash().length() == SHA256_DIGITS) {
                return MessageDigest.getInstance("SHA-256");
            }
            MessageDigest git = MessageDigest.getInstance("SHA-1");
            git.update(("blob " + file.size() + "\0").getBytes(StandardCharsets.US_ASCII));
            return git;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-1 and SHA-256", e);
        }
    }

    /** Forgets what it was given. */
    void reset() {
        digest = start();
    }

    void update(ByteBuffer bytes) {
        digest.update(bytes);
    }

    /** Takes the first bytes of a file. */
    void update(FileChannel channel, long bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        for (long at = 0; at < bytes; ) {
            int n = channel.read(buffer.clear().limit((int) Math.min(buffer.capacity(), bytes - at)), at);
            if (n < 0) {
                throw new IOException(file.path() + ": its partial file was cut while it was read");
            }
            digest.update(buffer.flip());
            at += n;
        }
    }

    /** The hash of all that it was given, in hexadecimal digits; it starts again afterwards. */
    String finish() {
        String hash = HexFormat.of().formatHex(digest.digest());
        reset();
        return hash;
    }
}
