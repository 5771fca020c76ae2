package dev.gatun.model;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.decoder.DecoderSession.Resumed;
import dev.gatun.model.generate.TextGeneration;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.Fingerprint;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.template.ChatTemplate;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.JsonStrings;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A conversation with a model: what has been said stays in the cache, so an answer costs the new message only. For one caller at a
 * time; whoever opened it closes it.
 */
public final class Chat implements AutoCloseable {
    private final DecoderModel model;
    private final HuggingFaceTokenizer tokenizer;
    private final ChatTemplate template;
    private final DecoderSession session;
    private final Sequence sequence;
    private final List<Message> messages = new ArrayList<>();
    private int[] cached; // ids that the sequence has, or more

    Chat(DecoderModel model, HuggingFaceTokenizer tokenizer, ChatTemplate template, DecoderSession session) {
        this(model, tokenizer, template, session, session.newSequence());
    }

    private Chat(
            DecoderModel model,
            HuggingFaceTokenizer tokenizer,
            ChatTemplate template,
            DecoderSession session,
            Sequence sequence) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = template;
        this.session = session;
        this.sequence = sequence;
        this.cached = sequence.ids();
    }

    /** What {@link #save} has saved. */
    static Chat resume(DecoderModel model, HuggingFaceTokenizer tokenizer, ChatTemplate template, Path path, int logits)
            throws IOException {
        Resumed resumed = model.decoder().resume(path, fingerprint(model, tokenizer), logits);
        try {
            Chat chat = new Chat(model, tokenizer, template, resumed.session(), resumed.sequence());
            JsonConfig note = JsonConfig.read(MappedFile.of(path.toString(), resumed.note()));
            for (JsonConfig message : note.objects("messages")) {
                chat.messages.add(new Message(message.requireString("role"), message.requireString("content")));
            }
            return chat;
        } catch (Throwable e) {
            resumed.session().close();
            throw e;
        }
    }

    private static Fingerprint fingerprint(DecoderModel model, HuggingFaceTokenizer tokenizer) throws IOException {
        return new Fingerprint(model.sha256(), tokenizer.sha256());
    }

    /**
     * Saves the conversation with its keys and values, for {@link TextGenerator#resumeChat}. The file is there as a whole or not at
     * all, whenever this process ends.
     *
     * @throws IOException if it cannot be written; a file that was there is as it was
     */
    public void save(Path path) throws IOException {
        var note = new StringBuilder("{\"messages\":[");
        for (int i = 0; i < messages.size(); i++) {
            note.append(i == 0 ? "{\"role\":" : ",{\"role\":");
            JsonStrings.appendQuoted(messages.get(i).role(), note);
            note.append(",\"content\":");
            JsonStrings.appendQuoted(messages.get(i).content(), note);
            note.append('}');
        }
        byte[] bytes = note.append("]}").toString().getBytes(StandardCharsets.UTF_8);
        session.save(sequence, fingerprint(model, tokenizer), bytes, path);
    }

    /** What has been said, in order. */
    public List<Message> messages() {
        return List.copyOf(messages);
    }

    /** Adds a message without asking for an answer: what the system says first, say. */
    public void add(Message message) {
        messages.add(message);
    }

    /** Forgets what was said. */
    public void clear() {
        messages.clear();
    }

    /** Tokens of the conversation that are in the cache. */
    public int length() {
        return sequence.length();
    }

    /** Tokens that the conversation may have. */
    public int capacity() {
        return session.size().nCtx();
    }

    /**
     * Says something and takes the answer, which joins the conversation.
     *
     * @throws InputException if the conversation has no room for it; the message is not part of it then
     */
    public Result say(String text, Settings settings, Listener listener) {
        messages.add(new Message("user", text));
        boolean answered = false;
        try {
            int[] ids = tokenizer.encodeIds(render(template, messages), false);
            int same = Arrays.mismatch(ids, cached);
            int kept = Math.min(same < 0 ? ids.length : same, Math.min(sequence.length(), ids.length - 1));
            session.truncate(sequence, kept);
            Result result = new TextGeneration(model, tokenizer, settings, listener).run(session, sequence, ids);
            cached = Arrays.copyOf(ids, ids.length + result.ids().length);
            System.arraycopy(result.ids(), 0, cached, ids.length, result.ids().length);
            messages.add(new Message("assistant", result.text()));
            answered = true;
            return result;
        } finally {
            if (!answered) {
                messages.removeLast();
                session.truncate(sequence, 0);
                cached = new int[0];
            }
        }
    }

    static String render(ChatTemplate template, List<Message> messages) {
        return template.render(
                messages.stream()
                        .map(message -> Map.of("role", message.role(), "content", message.content()))
                        .toList(),
                true);
    }

    @Override
    public void close() {
        session.close();
    }
}
