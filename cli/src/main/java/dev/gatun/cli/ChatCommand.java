package dev.gatun.cli;

import dev.gatun.model.Chat;
import dev.gatun.model.InputException;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.template.TemplateException;
import dev.gatun.ops.Backend;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun chat}: a conversation, one line of stdin a message. */
final class ChatCommand implements Command {
    private static final double TEMPERATURE = 0.7;
    private static final String HELP =
            "/system TEXT sets what the model is told first, /clear forgets the conversation, /history shows it,"
                    + " /stats says how full the context is, /quit ends; two slashes begin a message with one";

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Talks with a model that has a chat template.")
                .description("Each line of stdin is a message. " + HELP + ".");
        spec.addOption(CommonOptions.option("--system", "TEXT", String.class, "what the model is told first"));
        spec.addOption(CommonOptions.option(
                "--ctx",
                "N",
                Integer.class,
                "tokens that the conversation may have; default: " + TextGenerator.DEFAULT_CTX));
        spec.addOption(CommonOptions.path("--resume", "FILE", "go on with a conversation that was saved"));
        spec.addOption(
                CommonOptions.path("--save", "FILE", "save the conversation when it ends, to go on with it later"));
        GenerationOptions.addTo(spec, TEMPERATURE);
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Settings settings = GenerationOptions.settings(invocation, TEMPERATURE, false);
        GenerationOptions.format(invocation);
        GenerationOptions.cache(invocation);
        Integer ctx = invocation.option("--ctx", Integer.class);
        if (ctx != null && ctx < 1) {
            throw new Failure("--ctx " + ctx + ": must be at least 1");
        }
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                TextGenerator generator = GenerationOptions.open(invocation, "chat", backend);
                TextGenerator draft = GenerationOptions.openDraft(invocation, backend)) {
            Settings drafted = GenerationOptions.drafted(invocation, settings, generator, draft);
            Path resume = invocation.option("--resume", Path.class);
            Path save = invocation.option("--save", Path.class);
            try (Chat chat = resume != null
                    ? generator.resumeChat(resume, drafted.guesses())
                    : generator.newChat(ctx == null ? TextGenerator.DEFAULT_CTX : ctx, drafted.guesses())) {
                String system = invocation.option("--system", String.class);
                if (system != null) {
                    chat.add(new Message("system", system));
                }
                converse(chat, drafted, invocation);
                if (save != null) {
                    chat.save(save);
                }
            }
        }
        return 0;
    }

    private static void converse(Chat chat, Settings settings, Invocation invocation) throws IOException {
        var in = new BufferedReader(new InputStreamReader(invocation.in(), StandardCharsets.UTF_8));
        boolean terminal = invocation.inIsTerminal().getAsBoolean();
        Results results = invocation.results();
        while (results.isRead()) {
            if (terminal) {
                invocation.log().print("> ");
                invocation.log().flush();
            }
            String line = in.readLine();
            if (line == null || line.strip().equals("/quit")) {
                return;
            }
            if (line.startsWith("/") && !line.startsWith("//")) {
                command(line.strip(), chat, invocation);
            } else if (!line.isBlank()) {
                answer(chat, line.startsWith("//") ? line.substring(1) : line, settings, invocation);
            }
        }
    }

    private static void answer(Chat chat, String message, Settings settings, Invocation invocation) {
        Results results = invocation.results();
        try {
            Result result = chat.say(message, settings, text -> {
                results.write(text);
                results.flush();
                return results.isRead();
            });
            results.line("");
            results.flush();
            invocation.log().println(GenerationOptions.speed(result));
        } catch (InputException | TemplateException e) { // the conversation goes on without this message
            invocation.log().println("gatun: " + ErrorLine.printable(String.valueOf(e.getMessage())));
        }
    }

    private static void command(String line, Chat chat, Invocation invocation) {
        String[] words = line.split("\\s+", 2);
        switch (words[0]) {
            case "/clear" -> chat.clear();
            case "/system" -> {
                chat.clear();
                if (words.length > 1) {
                    chat.add(new Message("system", words[1]));
                }
            }
            case "/history" -> {
                for (Message message : chat.messages()) {
                    invocation.log().println(message.role() + ": " + message.content());
                }
            }
            case "/stats" -> invocation.log().println(chat.length() + " of " + chat.capacity() + " tokens");
            default -> invocation.log().println(HELP);
        }
    }
}
