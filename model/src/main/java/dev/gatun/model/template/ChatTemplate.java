package dev.gatun.model.template;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How a model wants a conversation written. Immutable and thread-safe. */
public final class ChatTemplate {
    private static final String FILE = "chat_template.jinja";
    private static final String CONFIG = "tokenizer_config.json";

    private final String file;
    private final String source;
    private final List<Node.Stmt> body;
    private final String bos;
    private final String eos;

    private ChatTemplate(String file, String source, List<Node.Stmt> body, String bos, String eos) {
        this.file = file;
        this.source = source;
        this.body = body;
        this.bos = bos;
        this.eos = eos;
    }

    /**
     * Reads a template.
     *
     * @param file what errors name
     * @param bos the text of the token that begins a text, which templates write themselves; may be empty
     * @param eos the text of the token that ends one; may be empty
     * @throws TemplateException if it is not one
     */
    public static ChatTemplate parse(String file, String source, String bos, String eos) {
        return new ChatTemplate(file, source, Parser.parse(file, source), bos, eos);
    }

    /** The template in a checkpoint's folder: chat_template.jinja, or what tokenizer_config.json says; null if there is none. */
    public static @Nullable String find(ModelFolder folder) throws IOException {
        if (folder.has(FILE)) {
            try (Arena arena = Arena.ofConfined()) {
                MappedFile file = folder.open(FILE, arena);
                return new String(file.bytes(0, Math.toIntExact(file.byteSize())), StandardCharsets.UTF_8);
            }
        }
        if (!folder.has(CONFIG)) {
            return null;
        }
        JsonConfig config = JsonConfig.read(folder, CONFIG);
        if (config.isString("chat_template")) {
            return config.requireString("chat_template");
        }
        if (config.has("chat_template")) { // several by name
            for (JsonConfig one : config.objects("chat_template")) {
                if (one.requireString("name").equals("default")) {
                    return one.requireString("template");
                }
            }
        }
        return null;
    }

    /** The text of the token that begins a text; may be empty. */
    public String bos() {
        return bos;
    }

    /** The text of the token that ends one; may be empty. */
    public String eos() {
        return eos;
    }

    /** As it was read. */
    public String source() {
        return source;
    }

    /** As {@link #render(List, boolean, Map)}, with no more variables. */
    public String render(List<? extends Map<String, ?>> messages, boolean prompt) {
        return render(messages, prompt, Map.of());
    }

    /**
     * Writes a conversation.
     *
     * @param messages each with role and content, and what else a template knows
     * @param prompt whether the assistant speaks next
     * @param more variables by name, {@code tools} say: String, Long, Double, Boolean, null, and List and Map of these
     * @throws TemplateException if the template refuses, fails, or goes beyond its limits
     */
    public String render(
            List<? extends Map<String, ?>> messages, boolean prompt, Map<String, ? extends @Nullable Object> more) {
        Map<String, @Nullable Object> variables = new HashMap<>(more);
        variables.put("messages", messages);
        variables.put("add_generation_prompt", prompt);
        variables.put("bos_token", bos);
        variables.put("eos_token", eos);
        try {
            return Interpreter.render(file, body, variables);
        } catch (TemplateException e) {
            String message = String.valueOf(e.getMessage());
            String prefix = file + ": chat template";
            throw message.startsWith(prefix) ? e : new TemplateException(prefix + ": " + message);
        } catch (StackOverflowError e) {
            throw new TemplateException(file + ": chat template: is nested too deep");
        }
    }
}
