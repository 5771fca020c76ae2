package dev.gatun.model;

import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Cuts a text into sentences, and puts what was made of them where they stood. */
final class Sentences {
    private final List<String> sentences = new ArrayList<>();
    private final List<String> gaps = new ArrayList<>(); // before each sentence, and at the end

    /** The sentences of a text, as {@link BreakIterator} finds them; a line break ends one as well. */
    static Sentences of(String text, Locale locale) {
        var result = new Sentences();
        var gap = new StringBuilder();
        BreakIterator breaks = BreakIterator.getSentenceInstance(locale);
        for (String line : text.splitWithDelimiters("\\R", 0)) {
            breaks.setText(line);
            int from = breaks.first();
            for (int to = breaks.next(); to != BreakIterator.DONE; from = to, to = breaks.next()) {
                String piece = line.substring(from, to);
                String sentence = piece.strip();
                if (sentence.isEmpty()) {
                    gap.append(piece);
                    continue;
                }
                int at = piece.indexOf(sentence);
                result.gaps.add(gap.append(piece, 0, at).toString());
                result.sentences.add(sentence);
                gap.setLength(0);
                gap.append(piece, at + sentence.length(), piece.length());
            }
        }
        result.gaps.add(gap.toString());
        return result;
    }

    List<String> list() {
        return sentences;
    }

    /** The text with other sentences, between the same white space. */
    String join(List<String> others) {
        var text = new StringBuilder(gaps.getFirst());
        for (int i = 0; i < others.size(); i++) {
            text.append(others.get(i)).append(gaps.get(i + 1));
        }
        return text.toString();
    }
}
