package dev.gatun.openblas;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.openblas.cblas.cblas_h;
import dev.gatun.openblas.cblas.openblas_dojob_callback;
import dev.gatun.openblas.cblas.openblas_set_threads_callback_function$callback;
import dev.gatun.openblas.cblas.openblas_threads_callback;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class GeneratedBindingsTest {
    private static final Path JEXTRACT = Path.of("jextract");
    private static final Path GENERATED = Path.of("src", "generated", "java");

    @Test
    void generatedFilesHaveTheCommittedChecksums() throws Exception {
        StringBuilder actual = new StringBuilder();
        try (Stream<Path> files = Files.walk(GENERATED)) {
            TreeMap<String, Path> byName = new TreeMap<>();
            files.filter(Files::isRegularFile)
                    .forEach(file ->
                            byName.put(GENERATED.relativize(file).toString().replace('\\', '/'), file));
            for (var file : byName.entrySet()) {
                byte[] sum = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file.getValue()));
                actual.append(HexFormat.of().formatHex(sum) + "  " + file.getKey() + "\n");
            }
        }
        assertThat(actual).hasToString(Files.readString(JEXTRACT.resolve("generated.sha256")));
    }

    @Test
    void exactlyTheListedFunctionsAreBound() throws IOException {
        assertThat(boundFunctions()).isEqualTo(listed("function")).hasSizeGreaterThan(10);
    }

    @Test
    void everyBoundSymbolResolves() throws Exception {
        Fixtures.blas();
        for (String function : boundFunctions()) {
            MemorySegment address = (MemorySegment)
                    cblas_h.class.getMethod(function + "$address").invoke(null);
            assertThat(address).as(function).isNotEqualTo(MemorySegment.NULL);
        }
    }

    @Test
    void everyDescriptorAgreesWithThePrototypeInTheHeader() throws Exception {
        Fixtures.blas();
        for (String function : boundFunctions()) {
            FunctionDescriptor descriptor = (FunctionDescriptor)
                    cblas_h.class.getMethod(function + "$descriptor").invoke(null);
            assertThat(differences(prototype(function), descriptor)).isEmpty();
        }
    }

    @Test
    void everyCallbackDescriptorAgreesWithItsTypedefInTheHeader() throws IOException {
        assertThat(listed("typedef")).containsExactly("openblas_dojob_callback", "openblas_threads_callback");
        assertThat(differences(callback("openblas_dojob_callback"), openblas_dojob_callback.descriptor()))
                .isEmpty();
        assertThat(differences(callback("openblas_threads_callback"), openblas_threads_callback.descriptor()))
                .isEmpty();
        assertThat(differences(
                        callback("openblas_threads_callback"),
                        openblas_set_threads_callback_function$callback.descriptor()))
                .isEmpty();
    }

    @Test
    void everyConstantHasTheValueInTheHeader() throws Exception {
        String header = header();
        for (String constant : listed("constant")) {
            Matcher definition =
                    Pattern.compile("\\b" + constant + "\\s*=\\s*(\\d+)").matcher(header);
            assertThat(definition.find()).as(constant).isTrue();
            assertThat(cblas_h.class.getMethod(constant).invoke(null))
                    .as(constant)
                    .isEqualTo(Integer.valueOf(definition.group(1)));
        }
    }

    @Test
    void aDifferenceIsReportedWithTheParameterThatDiffers() throws IOException {
        FunctionDescriptor wrong = FunctionDescriptor.of(
                cblas_h.C_FLOAT,
                cblas_h.C_INT,
                cblas_h.C_POINTER,
                cblas_h.C_LONG_LONG,
                cblas_h.C_POINTER,
                cblas_h.C_INT);

        assertThat(differences(prototype("cblas_sdot"), wrong))
                .containsExactly("cblas_sdot, parameter 3: header: const blasint incx (i4), binding: j8");
        assertThat(differences(prototype("cblas_sdot"), FunctionDescriptor.ofVoid(cblas_h.C_INT)))
                .containsExactly(
                        "cblas_sdot, result: header: float (f4), binding: void",
                        "cblas_sdot: header: 5 parameters, binding: 1");
    }

    private record Prototype(String name, String result, List<String> parameters) {}

    /** In words, what the binding has otherwise than the header. */
    private static List<String> differences(Prototype header, FunctionDescriptor binding) {
        List<String> differences = new ArrayList<>();
        String result = binding.returnLayout().map(GeneratedBindingsTest::shape).orElse("void");
        if (!shape(header.result).equals(result)) {
            differences.add(header.name + ", result: header: " + header.result + " (" + shape(header.result)
                    + "), binding: " + result);
        }
        List<MemoryLayout> layouts = binding.argumentLayouts();
        if (layouts.size() != header.parameters.size()) {
            differences.add(
                    header.name + ": header: " + header.parameters.size() + " parameters, binding: " + layouts.size());
            return differences;
        }
        for (int i = 0; i < layouts.size(); i++) {
            String parameter = header.parameters.get(i);
            if (!shape(parameter).equals(shape(layouts.get(i)))) {
                differences.add(header.name + ", parameter " + (i + 1) + ": header: " + parameter + " ("
                        + shape(parameter) + "), binding: " + shape(layouts.get(i)));
            }
        }
        return differences;
    }

    /** The kind of a value, as java.lang.foreign writes it, and its bytes: what decides how it is passed. */
    private static String shape(MemoryLayout layout) {
        return layout.withoutName().toString().replaceAll("^(.)(\\d+).*", "$1$2");
    }

    /** The same for a C type, with or without the name of a parameter behind it. */
    private static String shape(String declaration) {
        String type = declaration.replaceAll("\\b(const|enum)\\b", "").strip();
        if (type.contains("*") || type.startsWith("openblas_threads_callback") || type.startsWith("openblas_dojob")) {
            return "a8";
        }
        String word = type.replaceAll("\\s.*", "");
        return switch (word) {
            case "void" -> "void";
            // blasint is int unless OPENBLAS_USE64BITINT is defined, see blasint().
            case "blasint", "int", "CBLAS_ORDER", "CBLAS_TRANSPOSE", "CBLAS_UPLO", "CBLAS_DIAG", "CBLAS_SIDE" -> "i4";
            case "size_t", "CBLAS_INDEX" -> "j8";
            case "bfloat16" -> "s2";
            case "float" -> "f4";
            case "double" -> "d8";
            default -> throw new AssertionError("a type this test does not know: " + declaration);
        };
    }

    @Test
    void blasintIsIntInTheHeader() throws IOException {
        String config = resource("openblas_config.h");
        assertThat(config).doesNotContainPattern("#define\\s+OPENBLAS_USE64BITINT");
        assertThat(config).containsPattern("#ifdef OPENBLAS_USE64BITINT[^#]*#else\\s+typedef int blasint;");
    }

    private static Prototype prototype(String function) throws IOException {
        return parse("([\\w ]+\\**)\\s*\\b(" + function + ")\\s*\\(([^()]*)\\)\\s*;");
    }

    private static Prototype callback(String typedef) throws IOException {
        return parse("typedef\\s+(\\w+)\\s*\\(\\s*\\*\\s*(" + typedef + ")\\s*\\)\\s*\\(([^()]*)\\)\\s*;");
    }

    /** @param declaration with groups for the result, the name and the parameters */
    private static Prototype parse(String declaration) throws IOException {
        Matcher matcher = Pattern.compile(declaration).matcher(header());
        assertThat(matcher.find()).as("cblas.h matches " + declaration).isTrue();
        String parameters = matcher.group(3).strip();
        return new Prototype(
                matcher.group(2),
                matcher.group(1).strip(),
                parameters.equals("void") ? List.of() : List.of(parameters.split("\\s*,\\s*")));
    }

    /** cblas.h on one line, without comments and directives, with its macro for const replaced. */
    private static String header() throws IOException {
        return resource("cblas.h")
                .replaceAll("(?s)/\\*.*?\\*/", " ")
                .replaceAll("(?m)^\\s*#.*$", " ")
                .replace("OPENBLAS_CONST", "const")
                .replaceAll("\\s+", " ");
    }

    private static String resource(String header) throws IOException {
        String name = Platform.current().folder() + "include/" + header;
        try (InputStream in = GeneratedBindingsTest.class.getClassLoader().getResourceAsStream(name)) {
            assertThat(in).as(name).isNotNull();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static SortedSet<String> boundFunctions() {
        TreeSet<String> functions = new TreeSet<>();
        for (Method method : cblas_h.class.getMethods()) {
            if (method.getName().endsWith("$descriptor")) {
                functions.add(method.getName().replace("$descriptor", ""));
            }
        }
        return functions;
    }

    private static SortedSet<String> listed(String kind) throws IOException {
        TreeSet<String> names = new TreeSet<>();
        for (String line : Files.readAllLines(JEXTRACT.resolve("openblas.symbols"))) {
            if (line.startsWith("--include-" + kind + " ")) names.add(line.substring(line.indexOf(' ') + 1));
        }
        return names;
    }
}
