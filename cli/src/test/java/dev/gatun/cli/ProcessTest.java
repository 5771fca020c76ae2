package dev.gatun.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.hub.FakeHub;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What needs a JVM of its own: one that has loaded no BLAS yet, and its own stdout, folders and locale. */
class ProcessTest {
    @TempDir
    private Path folder;

    private final Map<String, String> environment = new HashMap<>(); // more of it

    @Test
    void aMissingBlasIsAnErrorThatNamesTheFile() throws Exception {
        Path missing = folder.resolve("libmissing.so");
        start("translate", "--blas", missing.toString(), "I love you")
                .refusesWith("there is no file " + missing, "--blas");
    }

    @Test
    void withoutOpenBlasKernelsOfOurOwnWork() throws Exception {
        Files.createFile(folder.resolve("no-folder"));
        Outcome warned = start("translate", "I love you");
        assertThat(warned.out()).isEqualTo("我爱你\n");
        // Machine code does without OpenBLAS. Vector kernels, where that cannot be had, take its place for the first
        // calls.
        assertThat(warned.err()).matches("|WARNING: no OpenBLAS, vector kernels are used instead: .*\\R");
        assertThat(warned.code()).isZero();

        assertThat(start("translate", "--quiet", "I love you").isDone().out()).isEqualTo("我爱你\n");
        start("translate", "--backend", "openblas", "I love you").refusesWith("OpenBLAS could not be put into");

        Outcome doctor = start("doctor", "--quiet").isDone();
        assertThat(doctor.lines())
                .anyMatch(line -> line.matches("backend auto +vector products, .* picked: OpenBLAS is not there: .*")
                        || line.matches("backend auto +auto products, machine rows, .* picked: machine code .*"))
                .anyMatch(line -> line.matches(" +openblas +FAILED: OpenBLAS could not be put into .*"))
                .anyMatch(line -> line.matches(" +vector +available"));
    }

    @Test
    void withoutTheVectorApiMachineCodeComputes() throws Exception {
        Outcome machine = outcome(withoutVectors("translate", "--backend", "machine", "I love you"));
        if (machine.code() == 0) {
            assertThat(machine).isEqualTo(new Outcome(0, "我爱你\n", ""));
        } else { // where there is no AVX-512
            assertThat(machine.err()).containsAnyOf("machine code: ", "--add-modules jdk.incubator.vector");
        }
        outcome(withoutVectors("translate", "--backend", "vector", "I love you"))
                .refusesWith("the vector kernels need the module", "--add-modules jdk.incubator.vector");
    }

    private ProcessBuilder withoutVectors(String... args) {
        ProcessBuilder builder = builder(args);
        builder.command().removeAll(List.of("--add-modules", "jdk.incubator.vector"));
        return builder;
    }

    @Test
    void withoutALocaleTextIsStillUtf8() throws Exception {
        Outcome outcome = start("translate", "我 ".repeat(200));
        assertThat(outcome.err()).contains("text of 400 characters has ");
        assertThat(outcome.code()).isEqualTo(2);
    }

    @Test
    void aReaderThatIsGoneIsNoError() throws Exception {
        Process process = builder("translate").start();
        process.getInputStream().close();
        process.getOutputStream().write("I love you\n".repeat(40).getBytes(UTF_8));
        process.getOutputStream().close();
        assertThat(ours(new String(process.getErrorStream().readAllBytes(), UTF_8)))
                .isEmpty();
        assertThat(process.waitFor()).isZero();
    }

    @Test
    void aModelOfTheHubIsDownloadedOnce() throws Exception {
        String[] generate = {"generate", "--model", "org/name:spm", "--prompt", "The vocabulary", "--max-tokens", "4"};
        environment.put("HF_HOME", folder.resolve("hf").toString());
        Outcome first;
        try (FakeHub hub = new FakeHub()) {
            environment.put("HF_ENDPOINT", hub.endpoint().toString());
            hub.large("llama-spm.gguf", Files.readAllBytes(Path.of("../golden/spm/llama-spm.gguf")));
            first = start(generate);
            assertThat(first.err())
                    .startsWith("downloading org/name: 136,256 bytes\n0.1 MB in ")
                    .contains(" tokens read in ");
            generate[2] = "org/name:q4";
            start(generate)
                    .refusesWith("--model org/name:q4: no such path here; org/name:q4: no GGUF file is called \"q4\"");
        }
        assertThat(folder.resolve("hf/hub/models--org--name/refs/main")).exists();
        environment.put("HF_HUB_OFFLINE", "1");
        generate[2] = "org/name:spm";
        Outcome offline = start(generate);
        assertThat(offline.out()).isEqualTo(first.out()).isNotBlank();
        assertThat(offline.err().lines()).hasSize(1);
    }

    private Outcome start(String... args) throws IOException, InterruptedException {
        return outcome(builder(args));
    }

    private Outcome outcome(ProcessBuilder builder) throws IOException, InterruptedException {
        Path err = folder.resolve("stderr");
        Process process = builder.redirectError(err.toFile()).start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), UTF_8);
        int code = process.waitFor();
        return new Outcome(code, out, ours(Files.readString(err)));
    }

    /** Without what the JVM has to say itself. */
    private static String ours(String err) {
        return err.replaceAll("WARNING: Using incubator modules: .*\\R", "");
    }

    /** Without a locale. The cache folder, wherever this system has it, is below a file if that was created. */
    private ProcessBuilder builder(String... args) {
        List<String> options = new ArrayList<>(List.of("-XX:TieredStopAtLevel=1"));
        if (Files.exists(folder.resolve("no-folder"))) {
            options.add("-Duser.home=" + folder.resolve("no-folder"));
        }
        ProcessBuilder builder = ChildJvm.of(options, "dev.gatun.cli.Main", args);
        builder.environment().put("LC_ALL", "C");
        builder.environment().put("DJL_CACHE_DIR", folder.resolve("djl").toString()); // the tokenizer's
        if (Files.exists(folder.resolve("no-folder"))) {
            for (String name : List.of("XDG_CACHE_HOME", "LOCALAPPDATA")) {
                builder.environment().put(name, folder.resolve("no-folder").toString());
            }
        }
        builder.environment().putAll(environment);
        return builder;
    }
}
