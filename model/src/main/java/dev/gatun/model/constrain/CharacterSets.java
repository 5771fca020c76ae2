package dev.gatun.model.constrain;

import java.util.BitSet;
import java.util.Map;

/** Sets of characters that a {@link Regex} names. */
final class CharacterSets {
    /** General categories by their numbers in {@link Character#getType}. */
    private static final Map<String, Integer> CATEGORIES = Map.ofEntries(
            Map.entry("Lu", (int) Character.UPPERCASE_LETTER),
            Map.entry("Ll", (int) Character.LOWERCASE_LETTER),
            Map.entry("Lt", (int) Character.TITLECASE_LETTER),
            Map.entry("Lm", (int) Character.MODIFIER_LETTER),
            Map.entry("Lo", (int) Character.OTHER_LETTER),
            Map.entry("Mn", (int) Character.NON_SPACING_MARK),
            Map.entry("Me", (int) Character.ENCLOSING_MARK),
            Map.entry("Mc", (int) Character.COMBINING_SPACING_MARK),
            Map.entry("Nd", (int) Character.DECIMAL_DIGIT_NUMBER),
            Map.entry("Nl", (int) Character.LETTER_NUMBER),
            Map.entry("No", (int) Character.OTHER_NUMBER),
            Map.entry("Zs", (int) Character.SPACE_SEPARATOR),
            Map.entry("Zl", (int) Character.LINE_SEPARATOR),
            Map.entry("Zp", (int) Character.PARAGRAPH_SEPARATOR),
            Map.entry("Cc", (int) Character.CONTROL),
            Map.entry("Cf", (int) Character.FORMAT),
            Map.entry("Pd", (int) Character.DASH_PUNCTUATION),
            Map.entry("Ps", (int) Character.START_PUNCTUATION),
            Map.entry("Pe", (int) Character.END_PUNCTUATION),
            Map.entry("Pc", (int) Character.CONNECTOR_PUNCTUATION),
            Map.entry("Po", (int) Character.OTHER_PUNCTUATION),
            Map.entry("Pi", (int) Character.INITIAL_QUOTE_PUNCTUATION),
            Map.entry("Pf", (int) Character.FINAL_QUOTE_PUNCTUATION),
            Map.entry("Sm", (int) Character.MATH_SYMBOL),
            Map.entry("Sc", (int) Character.CURRENCY_SYMBOL),
            Map.entry("Sk", (int) Character.MODIFIER_SYMBOL),
            Map.entry("So", (int) Character.OTHER_SYMBOL));

    /** All that ECMAScript or Java takes for \\s, in pairs: first and last of a range. */
    static final String WIDE_SPACES = "\t\r"
        + "  \u0085\u0085\u00a0\u00a0\u1680\u1680\u180e\u180e\u2000\u200a\u2028\u2029\u202f\u202f\u205f\u205f\u3000\u3000\ufeff\ufeff";

    private CharacterSets() {}

    /** All characters but some. */
    static BitSet inverse(BitSet set) {
        BitSet inverse = (BitSet) set.clone();
        inverse.flip(0, Character.MAX_CODE_POINT + 1);
        inverse.clear(Character.MIN_SURROGATE, Character.MAX_SURROGATE + 1);
        return inverse;
    }

    /** Characters of ranges: pairs of their first and last. */
    static BitSet ranges(String pairs) {
        BitSet set = new BitSet();
        for (int i = 0; i < pairs.length(); i += 2) {
            set.set(pairs.charAt(i), pairs.charAt(i + 1) + 1);
        }
        return set;
    }

    /** Characters of a general category, by its name of one letter or two; none if there is no such category. */
    static BitSet category(String name) {
        BitSet types = new BitSet();
        for (var category : CATEGORIES.entrySet()) {
            if (name.equals(category.getKey())
                    || name.length() == 1
                            && !name.equals("C")
                            && category.getKey().startsWith(name)) {
                types.set(category.getValue());
            }
        }
        BitSet set = new BitSet();
        if (!types.isEmpty()) {
            for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
                if (types.get(Character.getType(c))) {
                    set.set(c);
                }
            }
        }
        return set;
    }
}
