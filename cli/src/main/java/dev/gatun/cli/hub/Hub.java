package dev.gatun.cli.hub;

import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** The Hugging Face Hub: brings a model into the cache folder, if it is not there, and says where it is. */
public final class Hub implements AutoCloseable {
    private final HubOptions options;
    private final Watcher watcher;
    private final Patience patience;
    private final HubClient client;

    /** Told what is going on, by the thread that asked for a model. */
    public interface Watcher {
        /** Something that the user may want to know. */
        void note(String line);

        /** Files begin to come, with so many bytes in all. */
        void start(String what, long bytes);

        /** So many bytes of those are here. */
        void at(long bytes);

        /** All of them are here, or it has failed. */
        void end();
    }

    /** Asks nobody yet. */
    public Hub(HubOptions options, Watcher watcher) {
        this(options, watcher, Patience.USUAL);
    }

    Hub(HubOptions options, Watcher watcher, Patience patience) {
        this.options = options;
        this.watcher = watcher;
        this.patience = patience;
        this.client = new HubClient(options, patience);
    }

    /**
     * Makes sure that a model is in the cache, as it is on the Hub just now; if that cannot be reached, as it was last.
     *
     * @return its folder, or the GGUF file that was meant
     * @throws HubException if the Hub does not have it or does not give it, or what it gives is not what it has announced
     * @throws IOException if it cannot be written
     */
    public Path fetch(HubName name) throws IOException {
        HubCache cache = new HubCache(options.cache(), name.repo());
        if (options.offline()) {
            return cached(
                    name,
                    cache,
                    new HubException(name + ": HF_HUB_OFFLINE is set, and it is not in " + options.cache()));
        }
        HubClient.Listing listing;
        try {
            listing = client.listing(name);
        } catch (HubException e) {
            if (!e.isUnreachable()) {
                throw e;
            }
            Path last = cached(name, cache, e);
            watcher.note(e.getMessage() + "; " + name + " is taken as it was last");
            return last;
        }
        String gguf = NeededFiles.gguf(name, listing.files());
        if (gguf != null) {
            fetch(name, cache, listing, List.of(gguf));
        } else {
            List<String> needed = NeededFiles.folder(name, listing.files());
            fetch(name, cache, listing, needed);
            if (needed.contains(NeededFiles.INDEX)) {
                fetch(name, cache, listing, shards(name, cache, listing));
            }
        }
        cache.remember(name.revision(), listing.commit());
        Path snapshot = cache.snapshot(listing.commit());
        return gguf == null ? snapshot : snapshot.resolve(gguf);
    }

    private static Path cached(HubName name, HubCache cache, HubException otherwise) throws IOException {
        Path snapshot = cache.lastSnapshot(name.revision());
        if (snapshot == null) {
            throw otherwise;
        }
        String gguf = NeededFiles.gguf(name, paths(snapshot));
        return gguf == null ? snapshot : snapshot.resolve(gguf);
    }

    /** Files below a folder, with slashes. */
    private static List<String> paths(Path folder) throws IOException {
        try (var files = Files.walk(folder, 4)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString().replace('\\', '/'))
                    .toList();
        }
    }

    private static List<String> shards(HubName name, HubCache cache, HubClient.Listing listing) throws IOException {
        ModelFolder folder = ModelFolder.of(cache.snapshot(listing.commit()));
        JsonConfig map = JsonConfig.read(folder, NeededFiles.INDEX).requireObject("weight_map");
        Set<String> named = new TreeSet<>();
        for (String tensor : map.keys()) {
            named.add(map.requireString(tensor));
        }
        return NeededFiles.shards(name, named, listing.files());
    }

    /** Brings those that are not there yet. */
    private void fetch(HubName name, HubCache cache, HubClient.Listing listing, List<String> paths) throws IOException {
        String commit = listing.commit();
        List<RemoteFile> files = new ArrayList<>();
        long total = 0;
        for (String path : paths) {
            if (!Files.exists(cache.snapshot(commit).resolve(path))) {
                RemoteFile file = client.describe(name, commit, path);
                files.add(file);
                total = saturated(total, file.size());
            }
        }
        if (files.isEmpty()) {
            return;
        }
        watcher.start(name.repo(), total);
        try {
            long before = 0;
            for (RemoteFile file : files) {
                fetch(cache, file, before);
                cache.link(commit, file.path(), cache.blob(file.hash()));
                before = saturated(before, file.size());
                watcher.at(before);
            }
        } finally {
            watcher.end();
        }
    }

    /** A server may say any length. */
    private static long saturated(long a, long b) {
        return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
    }

    private void fetch(HubCache cache, RemoteFile file, long before) throws IOException {
        Path blob = cache.blob(file.hash());
        if (isThere(blob, file)) {
            return;
        }
        cache.locked(
                file.hash(),
                patience,
                () -> watcher.note(file.path() + " is being downloaded by another process; waiting for it"),
                () -> {
                    if (!isThere(blob, file)) {
                        new Download(client, patience, file, bytes -> watcher.at(saturated(before, bytes))).into(blob);
                    }
                });
    }

    private static boolean isThere(Path blob, RemoteFile file) throws IOException {
        return Files.isRegularFile(blob) && Files.size(blob) == file.size();
    }

    @Override
    public void close() {
        client.close();
    }
}
