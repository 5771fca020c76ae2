package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.gatun.cli.ErrorLine;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The process of an {@link EngineProcess}. */
final class EngineMain {
    private EngineMain() {}

    /**
     * Serves until its input ends.
     *
     * @param args the id of an {@link EngineKind}, threads
     */
    public static void main(String[] args) throws IOException {
        PrintStream answers = new PrintStream(System.out, true, UTF_8);
        System.setOut(System.err); // what others print is no answer
        serve(new EngineKind(args[0]), Integer.parseInt(args[1]), System.in, answers);
        System.exit(0); // whatever threads a library has left
    }

    static void serve(EngineKind kind, int threads, InputStream in, PrintStream answers) throws IOException {
        Engine engine;
        try {
            engine = new LocalEngine(kind.open(threads));
        } catch (RuntimeException | LinkageError e) {
            answers.println(EngineProcess.ERROR + ErrorLine.printable(String.valueOf(e.getMessage())));
            return;
        }
        try (engine;
                BufferedReader questions = new BufferedReader(new InputStreamReader(in, UTF_8))) {
            answers.println(EngineProcess.OK + ErrorLine.printable(engine.description()));
            for (String line = questions.readLine(); line != null; line = questions.readLine()) {
                answers.println(answer(engine, line));
            }
        }
    }

    private static String answer(Engine engine, String line) {
        String[] words = line.split(" ", 3);
        try {
            return EngineProcess.OK
                    + switch (words[0]) {
                        case "open" -> engine.open(Op.parse(words[2]), Long.parseLong(words[1]));
                        case "sample" -> engine.sample(Long.parseLong(words[1]));
                        case "calls" ->
                            Arrays.stream(engine.calls(Long.parseLong(words[1])))
                                    .mapToObj(Double::toString)
                                    .collect(Collectors.joining(" "));
                        case "peak" -> engine.peakBytes();
                        default -> {
                            engine.closeOp();
                            yield 0;
                        }
                    };
        } catch (RuntimeException | LinkageError | OutOfMemoryError e) {
            return EngineProcess.ERROR + ErrorLine.of(e);
        }
    }
}
