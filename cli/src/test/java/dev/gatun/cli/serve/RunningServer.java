package dev.gatun.cli.serve;

import dev.gatun.cli.ModelOption;
import dev.gatun.cli.serve.engine.TinyLlama;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A server of small models: tiny writes texts, mini makes vectors, cross scores, demo translates. */
final class RunningServer implements AutoCloseable {
    /** As Hermes and Qwen show tools, in short. */
    static final String TEMPLATE = """
        {{ bos_token }}{% if tools %}<|system|>{{ tools[0].function.name }}: <tool_call>{"name", "arguments"}</tool_call>\
        {{ eos_token }}{% endif %}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\
        {% for call in message.tool_calls %}<tool_call>{{ call.function.arguments | tojson }}</tool_call>{% endfor %}\
        {{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}\
        """;

    private final Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
    private final Meters meters = new Meters();
    private final List<ServedModel> models = new ArrayList<>();
    private final ApiServer server;
    private final HttpClient http = HttpClient.newHttpClient();

    private RunningServer(
            ServeSettings settings, Path folder, int texts, int waiting, boolean all, @Nullable Path model)
            throws IOException {
        String template = model == null ? TEMPLATE : null;
        var loader = new ModelLoader(
                backend, meters, texts, 1024, 0, waiting, WeightFormat.AS_STORED, CacheSettings.DEFAULT, template);
        models.add(
                model == null
                        ? loader.open("tiny", TinyLlama.withPositions(folder, 2048))
                        : loader.open(String.valueOf(model.getFileName()).replace(".gguf", ""), model));
        if (all) {
            models.add(loader.openVectors("mini", ModelOption.byDefault()));
            models.add(loader.open("cross", crossEncoder(folder.resolve("cross"))));
            models.add(loader.openDemo("demo"));
        }
        server = ApiServer.start(settings.at("127.0.0.1", 0), models, meters);
    }

    /** All models. */
    static RunningServer start(ServeSettings settings, Path folder) throws IOException {
        return new RunningServer(settings, folder, 8, 64, true, null);
    }

    /** All models, with another in the place of tiny. */
    static RunningServer start(ServeSettings settings, Path folder, Path model) throws IOException {
        return new RunningServer(settings, folder, 8, 64, true, model);
    }

    /** Only tiny, which writes so many texts at once while so many wait. */
    static RunningServer start(ServeSettings settings, Path folder, int texts, int waiting) throws IOException {
        return new RunningServer(settings, folder, texts, waiting, false, null);
    }

    private static Path crossEncoder(Path folder) throws IOException {
        Files.createDirectories(folder);
        try (Stream<Path> files = Files.list(Path.of("../golden/models/bert-classify"))) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Files.copy(
                Path.of("../model/src/test/resources/dev/gatun/model/tasks/tokenizer.json"),
                folder.resolve("tokenizer.json"));
        return folder;
    }

    ApiServer server() {
        return server;
    }

    ServedModel.Texts tiny() {
        return (ServedModel.Texts) models.getFirst();
    }

    ServedModel model(String name) {
        return models.stream()
                .filter(model -> model.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    String url(String path) {
        return "http://127.0.0.1:" + server.port() + path;
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return http.send(HttpRequest.newBuilder(URI.create(url(path))).build(), BodyHandlers.ofString());
    }

    HttpResponse<String> post(String path, String json, String... headers) throws IOException, InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(url(path))).POST(BodyPublishers.ofString(json));
        request.setHeader("Content-Type", "application/json");
        for (int i = 0; i < headers.length; i += 2) {
            request.setHeader(headers[i], headers[i + 1]);
        }
        // A connection of its own: one that was kept may be closed by the server's timeout just as it is used.
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request.build(), BodyHandlers.ofString());
        }
    }

    Socket socket() throws IOException {
        Socket socket = new Socket("127.0.0.1", server.port());
        socket.setSoTimeout(20_000);
        return socket;
    }

    @Override
    public void close() {
        http.close();
        server.close();
        models.forEach(ServedModel::close);
        meters.close();
        backend.close();
    }
}
