package dev.gatun.cli.serve;

import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.template.ChatTemplate;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code POST /v1/chat/completions}: answers messages. */
final class ChatApi {
    private final ServedModels models;

    ChatApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws IOException, InterruptedException {
        Fields request = exchange.body();
        Texts model = models.find(request, Texts.class, "chat");
        ChatTemplate template = model.template();
        if (template == null) {
            throw request.wrong("model", "\"" + model.name() + "\" has no chat template; it takes /v1/completions");
        }
        List<Map<String, @Nullable Object>> messages = Conversation.messages(request);
        Tools tools = Tools.of(request, template);
        int most = request.integer("max_tokens", 1, Integer.MAX_VALUE, Integer.MAX_VALUE);
        most = request.integer("max_completion_tokens", 1, Integer.MAX_VALUE, most);
        TextOptions options = TextOptions.of(
                request,
                most,
                request.flag("logprobs", false),
                request.integer("top_logprobs", 0, TextOptions.MAX_ALTERNATIVES, 0));
        Constraint format = TextOptions.format(request);
        if (format != null && tools != null) {
            throw request.wrong("response_format", "only without tools");
        }
        String prompt = template.render(messages, true, variables(request, tools));
        if (tools != null && tools.forced()) {
            prompt += tools.opening();
            format = tools.constraint();
        }
        TextRun.run(
                exchange,
                model.engine(),
                List.of(model.encode(prompt, false)),
                format == null ? options : options.with(format),
                new ChatAnswer(model, tools, options));
    }

    private static Map<String, @Nullable Object> variables(Fields request, @Nullable Tools tools) {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        Fields more = request.object("chat_template_kwargs"); // enable_thinking, say; as vLLM and llama.cpp have it
        if (more != null) {
            more.node().properties().forEach(entry -> variables.put(entry.getKey(), Json.value(entry.getValue())));
        }
        if (tools != null) {
            variables.put("tools", tools.variable());
        }
        return variables;
    }
}
