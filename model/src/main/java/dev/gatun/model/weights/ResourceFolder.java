package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.NoSuchFileException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A folder among the resources of a module or of the class path. */
record ResourceFolder(Class<?> owner, String path) implements ModelFolder {
    /** More than any model a jar should carry; a resource is copied as a whole. */
    private static final long MAX_BYTES = 2L << 30;

    @Override
    public String name() {
        return path;
    }

    @Override
    public boolean has(String file) {
        return url(file) != null;
    }

    @Override
    public MappedFile open(String file, Arena arena) throws IOException {
        String name = path + "/" + file;
        URL url = url(file);
        if (url == null) {
            throw new NoSuchFileException(name, null, "no such resource");
        }
        URLConnection connection = url.openConnection();
        connection.setUseCaches(false); // else the jar stays open for the life of the JVM
        try (InputStream in = connection.getInputStream()) {
            long size = connection.getContentLengthLong();
            if (size < 0 || size > MAX_BYTES) {
                throw new IOException(name + ": a resource of " + size + " bytes, at most " + MAX_BYTES + " are taken");
            }
            return MappedFile.read(name, in, size, arena);
        }
    }

    @Override
    public ModelFolder folder(String name) {
        if (!ModelFolder.isPlainName(name)) {
            throw new IllegalArgumentException(path + ": \"" + name + "\" is not a plain name");
        }
        return new ResourceFolder(owner, path + "/" + name);
    }

    @Override
    public List<String> list() {
        return List.of();
    }

    private @Nullable URL url(String file) {
        if (!ModelFolder.isPlainName(file)) {
            throw new IllegalArgumentException(path + ": \"" + file + "\" is not the plain name of a file");
        }
        return owner.getResource("/" + path + "/" + file);
    }
}
