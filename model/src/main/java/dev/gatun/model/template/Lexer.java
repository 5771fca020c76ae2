package dev.gatun.model.template;

import java.util.ArrayList;
import java.util.List;

/** Cuts a template into text, tags and the tokens in them; blocks are trimmed as with trim_blocks and lstrip_blocks. */
final class Lexer {
    /** What a token is. */
    enum Kind {
        /** Text outside of tags. */
        TEXT,
        /** Two opening braces. */
        PRINT_BEGIN,
        /** The end of a print tag. */
        PRINT_END,
        /** An opening brace and a percent sign. */
        BLOCK_BEGIN,
        /** The end of a block tag. */
        BLOCK_END,
        /** A name or keyword. */
        NAME,
        /** A string, without quotes and escapes. */
        STRING,
        /** An integer. */
        INTEGER,
        /** A floating-point number. */
        FLOAT,
        /** An operator or a bracket. */
        OPERATOR,
        /** Nothing follows. */
        END
    }

    record Token(Kind kind, String text, int line) {
        boolean is(Kind wanted, String wantedText) {
            return kind == wanted && text.equals(wantedText);
        }
    }

    private static final List<String> OPERATORS = List.of(
            "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{",
            "}", ",", ".", ":", "|", ";");

    private final String file;
    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;

    private Lexer(String file, String source) {
        this.file = file;
        this.source = source;
    }

    static List<Token> tokens(String file, String source) {
        String unix = source.replace("\r\n", "\n").replace('\r', '\n');
        return new Lexer(file, unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix).all();
    }

    private TemplateException bad(String what) {
        return new TemplateException(file + ": chat template, line " + line + ": " + what);
    }

    private List<Token> all() {
        boolean trimNewline = false; // after a block
        boolean trimAll = false; // after a tag that ends in -
        while (at < source.length()) {
            int tag = nextTag(at);
            String text = source.substring(at, tag);
            int textLine = line;
            line += newlines(text);
            at = tag;
            if (trimAll) {
                text = text.stripLeading();
            } else if (trimNewline && text.startsWith("\n")) {
                text = text.substring(1);
            }
            trimAll = false;
            trimNewline = false;
            if (tag == source.length()) {
                add(Kind.TEXT, text, textLine);
                break;
            }
            char kind = source.charAt(tag + 1);
            char mark = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            at += 2;
            if (mark == '-') {
                text = text.stripTrailing();
                at++;
            } else if (mark == '+') {
                at++;
            } else if (kind != '{') {
                text = withoutIndent(text, tag);
            }
            add(Kind.TEXT, text, textLine);
            String close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
            boolean minus;
            if (kind == '#') {
                int end = source.indexOf("#}", at);
                if (end < 0) {
                    throw bad("a comment does not end");
                }
                minus = end > at && source.charAt(end - 1) == '-';
                line += newlines(source.substring(at, end));
                at = end + 2;
            } else {
                add(kind == '{' ? Kind.PRINT_BEGIN : Kind.BLOCK_BEGIN, "", line);
                minus = inside(close);
                add(kind == '{' ? Kind.PRINT_END : Kind.BLOCK_END, "", line);
            }
            trimAll = minus;
            trimNewline = kind != '{';
            if (kind == '%' && isRaw()) {
                raw();
                trimAll = false;
            }
        }
        add(Kind.END, "", line);
        return tokens;
    }

    private boolean isRaw() {
        int n = tokens.size();
        return n >= 3 && tokens.get(n - 2).is(Kind.NAME, "raw") && tokens.get(n - 3).kind == Kind.BLOCK_BEGIN;
    }

    private void raw() {
        tokens.subList(tokens.size() - 3, tokens.size()).clear();
        var end = java.util.regex.Pattern.compile("\\{%[-+]?\\s*endraw\\s*[-+]?%}")
                .matcher(source);
        if (!end.find(at)) {
            throw bad("raw does not end");
        }
        add(Kind.TEXT, source.substring(at, end.start()), line);
        line += newlines(source.substring(at, end.end()));
        at = end.end();
    }

    private static int newlines(String text) {
        return (int) text.chars().filter(c -> c == '\n').count();
    }

    private int nextTag(int from) {
        for (int i = from; i + 1 < source.length(); i++) {
            if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return source.length();
    }

    /** A block that only blanks precede on its line takes them along. */
    private String withoutIndent(String text, int tag) {
        int start = text.length();
        while (start > 0 && (text.charAt(start - 1) == ' ' || text.charAt(start - 1) == '\t')) {
            start--;
        }
        boolean lineStart = start > 0
                ? text.charAt(start - 1) == '\n'
                : tag == text.length() || source.charAt(tag - text.length() - 1) == '\n';
        return lineStart ? text.substring(0, start) : text;
    }

    private void add(Kind kind, String text, int tokenLine) {
        if (kind != Kind.TEXT || !text.isEmpty()) {
            tokens.add(new Token(kind, text, tokenLine));
        }
    }

    /** The tokens up to the end of a tag; whether it ends in a minus. */
    private boolean inside(String close) {
        int depth = 0;
        while (true) {
            while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
                line += source.charAt(at) == '\n' ? 1 : 0;
                at++;
            }
            if (at >= source.length()) {
                throw bad("a tag does not end");
            }
            if (depth == 0 && source.startsWith(close, at)) {
                at += 2;
                return false;
            }
            if (depth == 0 && (source.startsWith("-" + close, at) || source.startsWith("+" + close, at))) {
                boolean minus = source.charAt(at) == '-';
                at += 3;
                return minus;
            }
            char c = source.charAt(at);
            if (c == '"' || c == '\'') {
                string(c);
            } else if (Character.isDigit(c)) {
                number();
            } else if (Character.isJavaIdentifierStart(c)) {
                int start = at;
                while (at < source.length() && Character.isJavaIdentifierPart(source.charAt(at))) {
                    at++;
                }
                add(Kind.NAME, source.substring(start, at), line);
            } else {
                String operator = OPERATORS.stream()
                        .filter(o -> source.startsWith(o, at))
                        .findFirst()
                        .orElseThrow(() -> bad("a tag has the character " + c));
                depth += "([{".contains(operator) ? 1 : ")]}".contains(operator) ? -1 : 0;
                at += operator.length();
                add(Kind.OPERATOR, operator, line);
            }
        }
    }

    private void number() {
        int start = at;
        boolean point = false;
        while (at < source.length()
                && (Character.isDigit(source.charAt(at))
                        || source.charAt(at) == '_'
                        || !point
                                && source.charAt(at) == '.'
                                && at + 1 < source.length()
                                && Character.isDigit(source.charAt(at + 1)))) {
            point |= source.charAt(at) == '.';
            at++;
        }
        add(point ? Kind.FLOAT : Kind.INTEGER, source.substring(start, at).replace("_", ""), line);
    }

    private void string(char quote) {
        var text = new StringBuilder();
        int start = line;
        at++;
        while (at < source.length() && source.charAt(at) != quote) {
            char c = source.charAt(at++);
            line += c == '\n' ? 1 : 0;
            if (c != '\\' || at == source.length()) {
                text.append(c);
                continue;
            }
            char escaped = source.charAt(at++);
            switch (escaped) {
                case 'n' -> text.append('\n');
                case 't' -> text.append('\t');
                case 'r' -> text.append('\r');
                case 'b' -> text.append('\b');
                case 'f' -> text.append('\f');
                case 'u' -> text.append((char) hex(4));
                case 'x' -> text.append((char) hex(2));
                case '\\', '\'', '"' -> text.append(escaped);
                case '\n' -> {}
                default -> text.append('\\').append(escaped);
            }
        }
        if (at >= source.length()) {
            throw bad("a string does not end");
        }
        at++;
        add(Kind.STRING, text.toString(), start);
    }

    private int hex(int digits) {
        try {
            int value = Integer.parseInt(source.substring(at, at + digits), 16);
            at += digits;
            return value;
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw bad("an escape in a string is not hexadecimal");
        }
    }
}
