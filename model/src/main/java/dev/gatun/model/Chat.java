package dev.gatun.model;

import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.generate.TextGeneration;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.template.ChatTemplate;
import dev.gatun.model.text.HuggingFaceTokenizer;
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
    private int[] cached = {}; // ids that the sequence has, or more

    Chat(DecoderModel model, HuggingFaceTokenizer tokenizer, ChatTemplate template, DecoderSession session) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = template;
        this.session = session;
        this.sequence = session.newSequence();
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
