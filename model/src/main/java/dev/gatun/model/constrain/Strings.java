package dev.gatun.model.constrain;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.lucene.util.automaton.Automaton;
import org.jspecify.annotations.Nullable;

/** The texts that keywords of a schema allow a string to be. */
final class Strings {
    private static final String DATE =
            "([12]\\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)"
                    + "|02-(0[1-9]|1\\d|2[0-8]))|([12]\\d(0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)-02-29)";
    private static final String TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-](0\\d|1[0-4]):[0-5]\\d)";
    private static final String LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?";
    private static final String BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private static final String HEX = "[0-9A-Fa-f]";
    private static final String HOST = "(" + LABEL + "\\.){0,3}[A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?";

    /** Each a subset of what its RFC has, of what people mean by it. */
    private static final Map<String, String> FORMATS = Map.of(
            "date",
            DATE,
            "time",
            TIME,
            "date-time",
            DATE + "T" + TIME,
            "duration",
            "P((\\d{1,4}Y(\\d{1,4}M(\\d{1,4}D)?)?|\\d{1,4}M(\\d{1,4}D)?|\\d{1,4}D)(T"
                    + "(\\d{1,4}H(\\d{1,4}M(\\d{1,4}S)?)?"
                    + "|\\d{1,4}M(\\d{1,4}S)?|\\d{1,4}S))?|T(\\d{1,4}H(\\d{1,4}M(\\d{1,4}S)?)?|\\d{1,4}M(\\d{1,4}S)?"
                    + "|\\d{1,4}S)|\\d{1,4}W)",
            "uuid",
            HEX + "{8}-" + HEX + "{4}-" + HEX + "{4}-" + HEX + "{4}-" + HEX + "{12}",
            "ipv4",
            BYTE + "(\\." + BYTE + "){3}",
            "ipv6",
            "(" + HEX + "{1,4}:){7}" + HEX + "{1,4}|(" + HEX + "{1,4}(:" + HEX + "{1,4}){0,2})?::(" + HEX + "{1,4}(:"
                    + HEX + "{1,4}){0,2})?",
            "hostname",
            HOST,
            "email",
            "[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,32})?@(" + LABEL + "\\.){1,3}[A-Za-z]{2,8}",
            "uri",
            "https?://" + HOST + "(:[1-9]\\d{0,3})?(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%" + HEX + HEX + ")*)*");

    private Strings() {}

    /**
     * Strings of {@code min} to {@code max} characters, in each of which every pattern is found, and which are of every format.
     *
     * @param where names it in errors
     * @return null for any string of such a length
     */
    static @Nullable Automaton of(List<String> patterns, List<String> formats, int min, int max, String where) {
        Automaton all = null;
        for (String pattern : patterns) {
            all = both(all, Regex.search(pattern), where);
        }
        for (String format : formats) {
            String pattern = FORMATS.get(format);
            if (pattern == null) {
                throw new ConstraintException(where + ": format \"" + format + "\" is not supported, there are "
                        + new TreeSet<>(FORMATS.keySet()));
            }
            all = both(all, Regex.fullMatch(pattern), where);
        }
        return all == null || min == 0 && max == Grammar.UNLIMITED
                ? all
                : both(all, CodePoints.repeat(CodePoints.any(), min, max, where + ": its length"), where);
    }

    private static Automaton both(@Nullable Automaton a, Automaton b, String where) {
        return a == null ? b : CodePoints.intersection(a, b, where + ": the string");
    }

    /** Whether a text is one of a string's. */
    static boolean allows(Automaton texts, String text, String where) {
        return CodePoints.contains(texts, text, where + ": the string");
    }
}
