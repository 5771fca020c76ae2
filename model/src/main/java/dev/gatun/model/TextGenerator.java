package dev.gatun.model;

import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.generate.Continuation;
import dev.gatun.model.generate.Draft;
import dev.gatun.model.generate.TextGeneration;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.template.ChatTemplate;
import dev.gatun.model.text.GgufTokenizer;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.text.TokenizerTask;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Goes on from a text with a decoder-only model. Thread-safe: each call has a session of its own. One opened with {@link
 * CacheSettings} that keep pages keeps a session between calls as well, so that a prompt which begins like an earlier one is computed
 * from where it differs, with the same result.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var generator = TextGenerator.open(Path.of("SmolLM2-135M-Instruct.Q4_1.gguf"), backend)) {
 *     System.out.println(generator.generate("The capital of France is", Settings.DEFAULT).text());
 * }
 * }</pre>
 */
public final class TextGenerator implements AutoCloseable {
    /** Positions that a session has unless more are asked for: a cache of all that a model could have may not fit. */
    public static final int DEFAULT_CTX = 4096;

    private static final int MIN_TOKENS = 16; // of a tokenizer

    private final DecoderModel model;
    private final HuggingFaceTokenizer tokenizer;
    private final @Nullable ChatTemplate template;
    private final CacheSettings cache;
    private @Nullable DecoderSession kept; // between calls, where the cache keeps pages; guarded by this
    private boolean closed; // guarded by this

    private TextGenerator(
            DecoderModel model, HuggingFaceTokenizer tokenizer, @Nullable ChatTemplate template, CacheSettings cache) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = template;
        this.cache = cache;
    }

    /**
     * Opens a GGUF file, or a folder with config.json, safetensors and tokenizer.json. The caller closes the generator, and after it
     * the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static TextGenerator open(Path model, Backend backend) throws IOException {
        return open(model, backend, WeightFormat.AS_STORED);
    }

    /** As {@link #open(Path, Backend)}, with weights in another format than the files have them in. */
    public static TextGenerator open(Path model, Backend backend, WeightFormat format) throws IOException {
        return open(model, backend, format, CacheSettings.DEFAULT);
    }

    /**
     * As {@link #open(Path, Backend, WeightFormat)}.
     *
     * @param cache how the sessions of texts and conversations store keys and values
     */
    public static TextGenerator open(Path model, Backend backend, WeightFormat format, CacheSettings cache)
            throws IOException {
        return Files.isDirectory(model) || ModelFolder.isPacked(model)
                ? openFolder(ModelFolder.of(model), backend, format, cache)
                : openGguf(model, backend, format, cache);
    }

    private static TextGenerator openGguf(Path path, Backend backend, WeightFormat format, CacheSettings cache)
            throws IOException {
        try (GgufModel file = GgufModel.open(path)) {
            TokenizerTask task = TokenizerTask.start(() -> GgufTokenizer.open(
                    file.file(),
                    maxTokens(file.config().optionalInt("max_position_embeddings", 2048, 1, Integer.MAX_VALUE - 1))));
            String template = file.file().optionalString("tokenizer.chat_template", "");
            DecoderModel model;
            try {
                model = DecoderModel.load(file, backend, format);
            } catch (Throwable e) {
                task.abandon();
                throw e;
            }
            try {
                HuggingFaceTokenizer tokenizer = task.result();
                try {
                    ChatTemplate chat = template.isEmpty()
                            ? null
                            : ChatTemplate.parse(
                                    path.toString(),
                                    template,
                                    token(file, tokenizer, "bos_token_id"),
                                    token(file, tokenizer, "eos_token_id"));
                    return new TextGenerator(model, tokenizer, chat, cache);
                } catch (Throwable e) {
                    tokenizer.close();
                    throw e;
                }
            } catch (Throwable e) {
                model.close();
                throw e;
            }
        }
    }

    private static String token(GgufModel file, HuggingFaceTokenizer tokenizer, String key) {
        long id = file.file().optionalInt("tokenizer.ggml." + key, -1);
        return id < 0 ? "" : tokenizer.decodeAll((int) id);
    }

    private static TextGenerator openFolder(
            ModelFolder folder, Backend backend, WeightFormat format, CacheSettings cache) throws IOException {
        DecoderModel model = DecoderModel.load(folder, backend, format);
        try {
            HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.open(
                    folder, maxTokens(model.decoder().config().nPositions()));
            try {
                return new TextGenerator(model, tokenizer, chatTemplate(folder), cache);
            } catch (Throwable e) {
                tokenizer.close();
                throw e;
            }
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /**
     * Another way to write conversations for this model, with its own tokens of beginning and end.
     *
     * @throws dev.gatun.model.template.TemplateException if it is no template
     */
    public ChatTemplate chatTemplate(String source) {
        return ChatTemplate.parse(
                "template", source, template == null ? "" : template.bos(), template == null ? "" : template.eos());
    }

    private static @Nullable ChatTemplate chatTemplate(ModelFolder folder) throws IOException {
        String bos = HuggingFaceTokenizer.specialToken(folder, "bos_token");
        String eos = HuggingFaceTokenizer.specialToken(folder, "eos_token");
        String template = ChatTemplate.find(folder);
        return template == null
                ? null
                : ChatTemplate.parse(folder.name(), template, bos == null ? "" : bos, eos == null ? "" : eos);
    }

    /** One more than a model takes, so that a text which is too long shows. */
    private static int maxTokens(int nPositions) {
        return Math.max(MIN_TOKENS, nPositions) + 1;
    }

    /** The network, for those who want its tokens themselves. */
    public Decoder decoder() {
        return model.decoder();
    }

    /** Ids that end a text. */
    public Set<Integer> eosIds() {
        return model.eosIds();
    }

    /** How sessions store keys and values. */
    public CacheSettings cacheSettings() {
        return cache;
    }

    /** What is between texts and ids. */
    public HuggingFaceTokenizer tokenizer() {
        return tokenizer;
    }

    /** How conversations are written for this model, or null if its files do not say. */
    public @Nullable ChatTemplate chatTemplate() {
        return template;
    }

    /**
     * Goes on from a text.
     *
     * @throws InputException if it has more tokens than fit beside those to be generated
     */
    public Result generate(String prompt, Settings settings) {
        return generate(prompt, settings, Listener.NONE);
    }

    /** As {@link #generate(String, Settings)}, showing text as it comes. */
    public Result generate(String prompt, Settings settings, Listener listener) {
        int[] ids = tokenizer.encodeIds(prompt, true);
        var generation = new TextGeneration(model, tokenizer, settings, listener);
        if (cache.keptPages() == 0) {
            try (DecoderSession session = newSession(ids.length, settings)) {
                return generation.run(session, session.newSequence(), ids);
            }
        }
        DecoderSession session = takeSession(ids.length, settings);
        boolean done = false;
        try {
            Sequence sequence = session.newSequence();
            session.reuse(sequence, ids, ids.length);
            Result result = generation.run(session, sequence, ids);
            session.release(sequence); // full pages are kept for who begins alike
            done = true;
            return result;
        } finally {
            if (!done || !giveSession(session)) {
                session.close();
            }
        }
    }

    /** The session that was kept, if it is large enough and nobody has it; else a new one. */
    private DecoderSession takeSession(int prompt, Settings settings) {
        DecoderSession session;
        synchronized (this) {
            session = kept;
            kept = null;
        }
        if (session != null) {
            SessionSize size = session.size();
            long nCtx = Math.min(model.decoder().config().nPositions(), (long) prompt + settings.maxTokens());
            if (size.nCtx() >= nCtx && size.logits() > settings.guesses()) {
                return session;
            }
            session.close();
        }
        return newSession(prompt, settings.withMaxTokens(Math.max(settings.maxTokens(), DEFAULT_CTX - prompt)));
    }

    private synchronized boolean giveSession(DecoderSession session) {
        if (kept != null || closed) {
            return false;
        }
        kept = session;
        return true;
    }

    /**
     * A text to be, for those who compute logits of several texts at once in a session of the {@link #decoder}.
     *
     * @param prompt ids that it follows; not changed
     * @param limit ids that it may have at most, at least 1
     * @throws dev.gatun.model.constrain.ConstraintException if the vocabulary cannot meet the settings' constraint
     */
    public Continuation newContinuation(int[] prompt, int limit, Settings settings, Listener listener) {
        int vocab = model.decoder().config().vocab();
        return new Continuation(vocab, model.eosIds(), tokenizer, settings, listener, prompt, limit);
    }

    private DecoderSession newSession(int prompt, Settings settings) {
        int positions = model.decoder().config().nPositions();
        if (prompt >= positions) {
            throw new InputException("prompt of " + prompt + " tokens or more: the model has " + positions
                    + " positions, and one at least has to be left");
        }
        int nCtx = (int) Math.min(positions, (long) prompt + settings.maxTokens());
        return model.decoder().newSession(size(nCtx, settings.guesses()), cache);
    }

    /**
     * Lets a smaller model of the same vocabulary guess for this one: a part of {@link Settings}. The other has to stay open for as
     * long as that is used.
     *
     * @param guesses ids a step at most, 1 to 64
     * @throws InputException if the vocabularies differ
     */
    public Draft draft(TextGenerator smaller, int guesses) {
        return Draft.of(model, tokenizer, smaller.model, smaller.tokenizer, guesses);
    }

    /**
     * The answer to a conversation that its caller keeps, in a session of its own of {@link #DEFAULT_CTX} tokens at most.
     *
     * @param messages what has been said so far, the user's last
     * @throws InputException if the last is not the user's, they have no room in the session, or the model has no chat template
     */
    public Result answer(List<Message> messages, Settings settings, Listener listener) {
        if (messages.isEmpty() || !messages.getLast().role().equals("user")) {
            throw new InputException(
                    messages.isEmpty()
                            ? "no messages: the last must be the user's"
                            : "the last message is the " + messages.getLast().role() + "'s: must be the user's");
        }
        try (Chat chat = newChat(DEFAULT_CTX, settings.guesses())) {
            messages.subList(0, messages.size() - 1).forEach(chat::add);
            return chat.say(messages.getLast().content(), settings, listener);
        }
    }

    /**
     * A conversation: its history stays in the cache.
     *
     * @param nCtx tokens it may have in all
     * @throws InputException if the model has no chat template
     */
    public Chat newChat(int nCtx) {
        return newChat(nCtx, 0);
    }

    /** As {@link #newChat(int)}, with room for so many guessed ids a step, as the settings of its answers will ask for. */
    public Chat newChat(int nCtx, int guesses) {
        if (template == null) {
            throw new InputException(
                    "the model has no chat template: it goes on from texts, but knows no conversation");
        }
        int positions = Math.min(nCtx, model.decoder().config().nPositions());
        return new Chat(model, tokenizer, template, model.decoder().newSession(size(positions, guesses), cache));
    }

    /**
     * Goes on with a conversation that was {@linkplain Chat#save saved} with this model, also by another process: the next answer has the
     * same bits as if it had never stopped. Its keys and values are the file's, mapped copy on write.
     *
     * @param guesses as of {@link #newChat(int, int)}
     * @throws IOException if there is no such file, or it cannot be read or mapped
     * @throws ModelFormatException if it is damaged, or of another model, tokenizer or format
     */
    public Chat resumeChat(Path path, int guesses) throws IOException {
        if (template == null) {
            throw new InputException("the model has no chat template");
        }
        return Chat.resume(model, tokenizer, template, path, guesses + 1);
    }

    private static SessionSize size(int nCtx, int guesses) {
        int chunk = Math.min(nCtx, Math.max(Decoder.DEFAULT_CHUNK, guesses + 1));
        return new SessionSize(1, nCtx, chunk, Math.min(nCtx, guesses + 1));
    }

    /**
     * A message of a conversation.
     *
     * @param role system, user or assistant
     * @param content its text
     */
    public record Message(String role, String content) {}

    /** The text that a conversation is for the model, from the template. */
    public String render(List<Message> messages) {
        if (template == null) {
            throw new InputException("the model has no chat template");
        }
        return Chat.render(template, messages);
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            if (kept != null) {
                kept.close();
                kept = null;
            }
        }
        tokenizer.close();
        model.close();
    }
}
