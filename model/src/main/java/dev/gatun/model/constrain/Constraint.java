package dev.gatun.model.constrain;

import java.util.BitSet;
import java.util.Set;

/**
 * What a text has to be, as a whole. Immutable, thread-safe; made before a model is there, so that what is wrong with it shows first.
 *
 * <p>It becomes an automaton over bytes, with a stack where a schema calls itself. Lucene's automata do the work on regular
 * languages (union, intersection, difference, determinising under a limit, characters to UTF-8): of what Maven Central has they are
 * the only ones that are kept well, take all of Unicode and stop where an expression explodes; java.util.regex and RE2/J keep
 * their automata to themselves.
 */
public final class Constraint {
    /** Longest expression or schema, in chars. */
    public static final int MAX_CHARS = 1 << 20;

    private final String kind;
    private final Grammar grammar;

    private Constraint(String kind, Grammar grammar) {
        this.kind = kind;
        this.grammar = grammar;
    }

    /**
     * A text that a regular expression matches from its first character to its last. Its syntax is what Java and ECMAScript have in
     * common: see {@link Regex}.
     *
     * @throws ConstraintException if it is none, has parts that no finite automaton can do (look-around, references back), is too
     *     large, or no text matches
     */
    public static Constraint regex(String pattern) {
        var builder = new Grammar.Builder();
        int start = builder.automaton(CodePoints.utf8(Regex.fullMatch(pattern), Regex.named(pattern)), builder.end());
        Grammar grammar = builder.build(start);
        if (grammar.isEmpty()) {
            throw new ConstraintException("no text matches " + Regex.named(pattern));
        }
        return new Constraint("regular expression", grammar);
    }

    /**
     * A JSON value that a schema (draft 2020-12) allows: see {@link JsonSchema} for what of it is known.
     *
     * @param schema its JSON
     * @throws ConstraintException if it is no schema, has a keyword that is not known, or no value can meet it
     */
    public static Constraint jsonSchema(String schema) {
        return new Constraint("JSON schema", JsonSchema.grammar(schema));
    }

    /**
     * For one text.
     *
     * @param endIds ids that end a text: allowed where it may end
     * @throws ConstraintException if the vocabulary lacks what every such text needs
     */
    public Matcher matcher(TokenBytes tokens, Set<Integer> endIds) {
        BitSet bytes = tokens.trie().singleBytes();
        Grammar possible = grammar.within(bytes);
        if (possible.isEmpty()) {
            throw new ConstraintException("the model's vocabulary has single tokens for " + bytes.cardinality()
                    + " of 256 bytes, which is too few for any text of the " + kind);
        }
        return new Matcher(possible, tokens, endIds);
    }
}
