package dev.gatun.cli.hub;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.function.LongConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Brings one file into the cache: its bytes gather in a file named {@code .incomplete}, from which a later try or a later process goes
 * on, and which gets its name only with the right length and hash. The caller holds the file's lock.
 */
final class Download {
    private static final Pattern RANGE = Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");
    private static final int PARTIAL = 206;
    private static final int UNKNOWN_RANGE = 416;

    private final HubClient client;
    private final Patience patience;
    private final RemoteFile file;
    private final LongConsumer watcher;
    private final BlobHash hash;
    private long have; // bytes in the partial file, all of which the hash has seen
    private boolean broken; // all bytes have come, and they are wrong

    /**
     * A download that has not begun.
     *
     * @param watcher told how many bytes of the file are there, each time there are more (or none, to begin again)
     */
    Download(HubClient client, Patience patience, RemoteFile file, LongConsumer watcher) {
        this.client = client;
        this.patience = patience;
        this.file = file;
        this.watcher = watcher;
        this.hash = new BlobHash(file);
    }

    /**
     * Downloads what is missing, and makes it {@code blob}.
     *
     * @throws HubException if the server does not answer, or does not give the file it has described. What has come is kept for the
     *     next time, unless it has the wrong hash
     * @throws IOException if it cannot be written
     */
    void into(Path blob) throws IOException {
        Path partial = blob.resolveSibling(blob.getFileName() + ".incomplete");
        try (FileChannel channel = FileChannel.open(
                partial, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            if (channel.size() > file.size()) {
                channel.truncate(0);
            }
            have = channel.size();
            hash.update(channel, have);
            watcher.accept(have);
            boolean resumed = have > 0;
            checkSpace(partial);
            complete(channel);
            if (!hash.finish().equals(file.hash())) {
                if (resumed) { // what was there before may have been broken
                    restart(channel);
                    complete(channel);
                }
                if (!resumed || !hash.finish().equals(file.hash())) {
                    broken = true;
                    throw new HubException(file.path() + ": its bytes do not have the hash " + file.hash() + " that "
                            + file.address() + " states");
                }
            }
            channel.force(true);
        } finally {
            if (broken) {
                Files.deleteIfExists(partial);
            }
        }
        Files.move(partial, blob, StandardCopyOption.ATOMIC_MOVE);
    }

    private void checkSpace(Path partial) throws IOException {
        long free = Files.getFileStore(partial).getUsableSpace();
        if (free < file.size() - have) {
            throw new IOException(file.path() + ": " + (file.size() - have) + " bytes are missing, and the disk of "
                    + partial.getParent() + " has " + free + " left");
        }
    }

    private void restart(FileChannel channel) throws IOException {
        channel.truncate(0);
        hash.reset();
        have = 0;
        watcher.accept(0);
    }

    /** Asks for the rest until there is none. */
    private void complete(FileChannel channel) throws IOException {
        for (int failures = 0; have < file.size(); ) {
            long before = have;
            String reason;
            try (HubClient.Answer answer = client.open(file, have)) {
                reason = copy(answer, channel) ? "the file ends early" : "";
            } catch (HubException e) {
                throw e;
            } catch (DroppedException e) {
                reason = String.valueOf(e.getMessage());
            }
            if (have < file.size()) {
                failures = have > before ? 1 : failures + 1;
                if (failures >= patience.tries()) {
                    throw HubException.unreachable(
                            file.path() + ": " + have + " of " + file.size() + " bytes have come, and " + failures
                                    + " tries have brought no more: " + reason,
                            new IOException(reason));
                }
                patience.afterTry(failures - 1);
            }
        }
    }

    /** The connection is gone; another may bring more. */
    private static final class DroppedException extends IOException {
        private static final long serialVersionUID = 1L;

        DroppedException(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }

    /** Writes what an answer brings; false if it brings nothing because the range was refused, and all begins again. */
    private boolean copy(HubClient.Answer answer, FileChannel channel) throws IOException {
        if (answer.status() == UNKNOWN_RANGE) {
            restart(channel);
            return false;
        }
        if (answer.status() != PARTIAL && have > 0) {
            restart(channel); // this server sends whole files
        }
        checkLengths(answer);
        while (true) {
            ByteBuffer part;
            try {
                part = answer.body().next();
            } catch (IOException e) {
                throw new DroppedException(e);
            }
            if (part == null) {
                return true;
            }
            if (part.remaining() > file.size() - have) {
                throw new HubException(file.path() + ": more bytes come than the " + file.size() + " that "
                        + file.address() + " states");
            }
            hash.update(part.duplicate());
            while (part.hasRemaining()) {
                have += channel.write(part, have);
            }
            watcher.accept(have);
        }
    }

    private void checkLengths(HubClient.Answer answer) throws HubException {
        if (answer.status() == PARTIAL) {
            String range = String.valueOf(answer.header("Content-Range"));
            Matcher numbers = RANGE.matcher(range);
            boolean right = numbers.matches()
                    && Long.parseLong(numbers.group(1)) == have
                    && (numbers.group(2).equals("*") || Long.parseLong(numbers.group(2)) == file.size());
            if (!right) {
                throw new HubException(file.path() + ": asked for bytes " + have + " to " + file.size()
                        + ", the server sends \"" + range + "\"");
            }
        }
        long length = HubClient.Answer.number(answer.header("Content-Length"));
        if (length >= 0 && length != file.size() - have) {
            throw new HubException(file.path() + ": " + length + " bytes are announced, " + file.address() + " states "
                    + (file.size() - have));
        }
    }
}
