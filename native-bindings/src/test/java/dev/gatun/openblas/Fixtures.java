package dev.gatun.openblas;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** What several tests need: a BLAS, class loaders with a BLAS of their own, and JVMs. */
final class Fixtures {
    /** Not the user's cache folder; shared by the tests, since taking out 41 MB is slow. */
    static final Path CACHE = Path.of("target", "test-cache").toAbsolutePath();

    private Fixtures() {}

    /** The BLAS of the class loader of the tests. */
    static Blas blas() {
        return OpenBlasLibrary.load(CACHE);
    }

    /** The library of this platform, taken out of its jar, with the libraries it is linked against beside it. */
    static Path library() {
        try (PlatformJar jar = PlatformJar.open(Fixtures.class.getClassLoader(), Platform.current())) {
            return new LibraryCache(CACHE)
                    .install(jar)
                    .resolve(Platform.current().library());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * A copy of the library in {@code folder}, with its companions, in which one ASCII text stands for another.
     * A symbol that is renamed so can no longer be found: the hash table still leads to its old name.
     */
    static Path patchedLibrary(Path folder, String... replacements) throws IOException {
        Path library = library();
        try (var files = Files.list(library.getParent())) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Path copy = folder.resolve(library.getFileName());
        // ISO 8859-1 keeps every byte.
        String bytes = Files.readString(copy, StandardCharsets.ISO_8859_1);
        for (int i = 0; i < replacements.length; i += 2) {
            if (replacements[i].length() != replacements[i + 1].length() || !bytes.contains(replacements[i])) {
                throw new IllegalArgumentException(replacements[i] + " -> " + replacements[i + 1]);
            }
            bytes = bytes.replace(replacements[i], replacements[i + 1]);
        }
        Files.writeString(copy, bytes, StandardCharsets.ISO_8859_1);
        return copy;
    }

    /** Runs {@code task} in a new class loader that has Gatun's classes, and so the BLAS, for itself. */
    static String inNewClassLoader(Class<? extends Function<String, String>> task, String argument) {
        return new Isolated().run(task, argument);
    }

    /** A class loader that loads Gatun's classes itself and asks the parent for all others. */
    static final class Isolated extends URLClassLoader {
        Isolated() {
            super(new URL[] {location(OpenBlasLibrary.class), location(Fixtures.class)});
        }

        private static URL location(Class<?> type) {
            return type.getProtectionDomain().getCodeSource().getLocation();
        }

        String run(Class<? extends Function<String, String>> task, String argument) {
            try {
                Constructor<?> constructor = loadClass(task.getName()).getDeclaredConstructor();
                // A class of the same package in another class loader is in another package.
                constructor.setAccessible(true);
                @SuppressWarnings("unchecked")
                Function<String, String> function = (Function<String, String>) constructor.newInstance();
                return function.apply(argument);
            } catch (ReflectiveOperationException e) {
                throw new LinkageError(e.toString(), e);
            }
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                if (name.startsWith("dev.gatun.") && findLoadedClass(name) == null) return findClass(name);
            }
            return super.loadClass(name, resolve);
        }
    }

    /** Starts a JVM with the class path of the tests; its standard error goes to its standard output. */
    static Process startJvm(List<String> options, Class<?> main, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.add("-cp");
        command.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    /** Waits for the end of a JVM and returns what it printed. */
    static String output(Process jvm) throws IOException, InterruptedException {
        String output = new String(jvm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        jvm.waitFor();
        return output;
    }
}
