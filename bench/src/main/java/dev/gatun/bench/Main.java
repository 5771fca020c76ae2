package dev.gatun.bench;

import dev.gatun.cli.Commands;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Starts {@code gatun bench}. */
public final class Main {
    private Main() {}

    /**
     * Runs, and ends the JVM with the exit code.
     *
     * @param args what follows {@code gatun}: {@code bench}, and then options, {@code encoder}, {@code decoder}, {@code seq2seq},
     *     {@code serve}, {@code sessions}, {@code cache}, {@code lengths}, {@code peer} or {@code jmh}
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        String second = args.length > 1 ? args[1] : "";
        String[] rest = Arrays.copyOfRange(args, Math.min(1, args.length), args.length);
        System.exit(
                switch (second) {
                    case "jmh" ->
                        ChildJvm.jmh(List.of(rest).subList(1, rest.length))
                                .start()
                                .waitFor();
                    case "peer" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("peer"), _ -> new PeerCommand()), rest);
                    case "sessions" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("sessions"), _ -> new SessionsCommand()), rest);
                    case "serve" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("serve"), _ -> new ServeCommand()), rest);
                    case "cache" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("cache"), _ -> new CacheCommand()), rest);
                    case "lengths" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("lengths"), _ -> new LengthCommand()), rest);
                    case "decoder" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("decoder"), _ -> new DecoderCommand()), rest);
                    case "seq2seq" ->
                        dev.gatun.cli.Main.run(
                                new Commands("gatun bench", List.of("seq2seq"), _ -> new Seq2SeqCommand()), rest);
                    case "encoder" -> {
                        List<String> all = new ArrayList<>(List.of("bench", "--only", "encoder"));
                        all.addAll(List.of(rest).subList(1, rest.length));
                        yield dev.gatun.cli.Main.run(bench(), all.toArray(String[]::new));
                    }
                    default -> dev.gatun.cli.Main.run(bench(), args);
                });
    }

    private static Commands bench() {
        return new Commands("gatun", List.of("bench"), _ -> new BenchCommand());
    }
}
