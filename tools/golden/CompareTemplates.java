import dev.gatun.model.template.ChatTemplate;
import dev.gatun.model.template.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Renders what tools/golden/chat_templates.py has rendered, and names each text that is not the same; of a template that refuses a
 * conversation it is enough that both refuse. Run on the same day: templates write the date.
 *
 * <pre>java -cp CLASSES tools/golden/CompareTemplates.java TEMPLATES OUT</pre>
 */
final class CompareTemplates {
    private static final List<Map<String, String>> MESSAGES = List.of(
            Map.of("role", "system", "content", "Be brief."),
            Map.of("role", "user", "content", "Hi <b> there"),
            Map.of("role", "assistant", "content", "Hello & welcome"),
            Map.of("role", "user", "content", "  What's up? "));

    public static void main(String[] args) throws IOException {
        List<Path> templates;
        try (Stream<Path> files = Files.list(Path.of(args[0]))) {
            templates = files.filter(file -> file.toString().endsWith(".jinja")).sorted().toList();
        }
        int same = 0;
        int all = 0;
        for (Path template : templates) {
            String name = String.valueOf(template.getFileName()).replaceFirst("\\.jinja$", "");
            for (String kind : List.of("sys", "nosys")) {
                String expected = Files.readString(Path.of(args[1], name + "." + kind));
                String actual = render(name, template, kind.equals("sys") ? MESSAGES : MESSAGES.subList(1, 4));
                boolean equal = actual.equals(expected) || actual.startsWith("ERROR ") && expected.startsWith("ERROR ");
                same += equal ? 1 : 0;
                all++;
                if (!equal) {
                    System.out.println(name + "." + kind + ":\n  " + expected + "\nis here\n  " + actual);
                }
            }
        }
        System.out.println(same + " of " + all + " are the same");
    }

    private static String render(String name, Path template, List<Map<String, String>> messages) throws IOException {
        try {
            return ChatTemplate.parse(name, Files.readString(template), "<s>", "</s>").render(messages, true);
        } catch (TemplateException e) {
            return "ERROR " + e.getMessage();
        }
    }
}
