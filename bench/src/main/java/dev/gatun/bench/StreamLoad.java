package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Clients that have texts streamed to them, each one text after another until the time is up. Prompts are words by a rule, of mixed
 * lengths, none like another; texts have mixed lengths too, and are the most probable ones.
 *
 * @param server where it is
 * @param streams at once
 * @param words of a prompt at most
 * @param tokens of a text at most
 */
record StreamLoad(URI server, int streams, int words, int tokens) {
    private static final JsonFactory JSON = new JsonFactory();
    private static final String[] WORDS =
            ("lake lock gate water ship canal ocean rain river dam spillway chamber level pilot tow cable mule engine"
                            + " tide island jungle bridge cut steel concrete valve culvert traffic")
                    .split(" ");

    /**
     * What clients saw.
     *
     * @param seconds that they took part
     * @param texts that came to their end
     * @param tokens that came, of texts that the end of the time cut off as well
     * @param errors what went wrong, each once a request
     * @param first milliseconds from a request to its first text, ascending
     * @param gaps milliseconds between a piece of a text and the next, ascending
     */
    record Seen(double seconds, int texts, long tokens, List<String> errors, double[] first, double[] gaps) {
        /** Tokens a second. */
        double rate() {
            return tokens / seconds;
        }

        /** A quantile of ascending values; NaN of none. */
        static double quantile(double[] ascending, double q) {
            return ascending.length == 0 ? Double.NaN : ascending[(int) Math.round(q * (ascending.length - 1))];
        }
    }

    /** One client's share of it. */
    private static final class Client {
        private final List<String> errors = new ArrayList<>();
        private final List<Double> first = new ArrayList<>();
        private final List<Double> gaps = new ArrayList<>();
        private int texts;
        private long tokens;
    }

    /** Something to be done now and then meanwhile. */
    interface Watch {
        void look() throws IOException;
    }

    /**
     * Goes on for so long. Texts that are not done by then are cut off.
     *
     * @param seed of prompts
     * @param watch is called some ten times meanwhile
     */
    Seen run(double seconds, long seed, Watch watch) throws IOException, InterruptedException {
        long start = System.nanoTime();
        long end = start + (long) (seconds * 1e9);
        List<Client> clients = new ArrayList<>();
        List<Future<?>> running = new ArrayList<>();
        double took;
        try (HttpClient http = HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .build();
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var random = new SplittableRandom(seed);
            for (int i = 0; i < streams; i++) {
                Client client = new Client();
                SplittableRandom own = random.split();
                clients.add(client);
                running.add(threads.submit(() -> ask(http, client, own, end)));
            }
            for (int i = 0; i < 10; i++) {
                TimeUnit.NANOSECONDS.sleep(Math.max(0, start + (end - start) * (i + 1) / 10 - System.nanoTime()));
                watch.look();
            }
            took = (System.nanoTime() - start) / 1e9;
            http.shutdownNow(); // ends what waits for a server that has not got to it
        }
        running.forEach(Future::resultNow); // which throws where one failed in a way that was not foreseen
        return together(clients, took);
    }

    private static Seen together(List<Client> clients, double seconds) {
        return new Seen(
                seconds,
                clients.stream().mapToInt(client -> client.texts).sum(),
                clients.stream().mapToLong(client -> client.tokens).sum(),
                clients.stream().flatMap(client -> client.errors.stream()).toList(),
                ascending(clients.stream()
                        .flatMap(client -> client.first.stream())
                        .toList()),
                ascending(
                        clients.stream().flatMap(client -> client.gaps.stream()).toList()));
    }

    private static double[] ascending(List<Double> values) {
        double[] all = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(all);
        return all;
    }

    private void ask(HttpClient http, Client client, SplittableRandom random, long end) {
        while (System.nanoTime() < end) {
            try {
                text(http, client, random, end);
            } catch (IOException | InterruptedException e) {
                if (System.nanoTime() < end) {
                    client.errors.add(e.toString());
                }
            }
        }
    }

    private String body(SplittableRandom random) {
        var prompt = new StringBuilder("The");
        int n = random.nextInt(words / 8 + 1, words + 1);
        for (int i = 0; i < n; i++) {
            prompt.append(' ').append(WORDS[random.nextInt(WORDS.length)]);
        }
        int most = random.nextInt(tokens / 4 + 1, tokens + 1);
        return "{\"prompt\": \"" + prompt + "\", \"max_tokens\": " + most
                + ", \"temperature\": 0, \"stream\": true, \"stream_options\": {\"include_usage\": true}}";
    }

    private void text(HttpClient http, Client client, SplittableRandom random, long end)
            throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(server.resolve("/v1/completions"))
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body(random)))
                .build();
        long before = System.nanoTime();
        HttpResponse<InputStream> response = http.send(request, BodyHandlers.ofInputStream());
        try (var in = new BufferedReader(new InputStreamReader(response.body(), UTF_8))) {
            if (response.statusCode() != 200) {
                throw new IOException(response.statusCode() + " " + in.readLine());
            }
            long pieces = 0;
            long counted = 0;
            boolean whole = false;
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                long now = System.nanoTime();
                if (now >= end) {
                    break;
                }
                if (line.equals("data: [DONE]")) {
                    whole = true;
                } else if (line.startsWith("data: ")) {
                    Piece piece = piece(line.substring(6));
                    counted = Math.max(counted, piece.tokens);
                    if (piece.hasText) {
                        (pieces++ == 0 ? client.first : client.gaps).add((now - before) / 1e6);
                        before = now;
                    }
                }
            }
            client.tokens += Math.max(pieces, counted);
            client.texts += whole ? 1 : 0;
            if (!whole && System.nanoTime() < end) {
                throw new IOException("a stream ends without [DONE]");
            }
        }
    }

    /** An event: whether it brings text, and of how many tokens the whole was, if it says so. */
    private record Piece(boolean hasText, long tokens) {}

    private static Piece piece(String json) throws IOException {
        boolean hasText = false;
        long tokens = 0;
        try (JsonParser parser = JSON.createParser(json)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                String name = parser.currentName();
                if (token == JsonToken.FIELD_NAME && "error".equals(name)) {
                    throw new IOException(json);
                } else if (token == JsonToken.VALUE_STRING && "text".equals(name)) {
                    hasText |= parser.getTextLength() > 0;
                } else if (token == JsonToken.VALUE_NUMBER_INT && "completion_tokens".equals(name)) {
                    tokens = parser.getLongValue();
                }
            }
        }
        return new Piece(hasText, tokens);
    }
}
