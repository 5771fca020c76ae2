package dev.gatun.cli;

import dev.gatun.model.verify.Check;
import dev.gatun.model.verify.Verifier;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun verify}: a model's folder against the reference in it. */
final class VerifyCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Recomputes every case of DIR/expected.json and compares with DIR/expected.safetensors.")
                .description(
                        "Prints the worst error of each tensor beside its tolerance (of integers: how many differ)."
                                + " Exit code 1 if one is beyond it.");
        spec.addPositional(CommonOptions.path("DIR", "folder of a model, with expected.json and expected.safetensors"));
        spec.addOption(CommonOptions.path(
                "--dump", "FILE", "write what was computed to this safetensors file, under the same names"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path folder = invocation.parameter(Path.of(""));
        Path dump = invocation.option("--dump", Path.class);
        if (dump != null) {
            checkCanBeWritten(dump);
        }
        // Shared: the backend's threads write to the tensors.
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(CommonOptions.backend(invocation))) {
            Verifier.Report report = Verifier.verify(ModelFolder.of(folder), backend, arena);
            if (report.checks().isEmpty()) {
                throw new Failure(folder.resolve("expected.json") + ": has no outputs to compare with");
            }
            print(report.checks(), invocation.results());
            long failed =
                    report.checks().stream().filter(check -> !check.passed()).count();
            invocation
                    .results()
                    .line(ErrorLine.printable(folder.toString()) + ": "
                            + (report.checks().size() - failed) + " of "
                            + report.checks().size() + " tensors ok" + (failed == 0 ? "" : ", " + failed + " FAIL")
                            + "; "
                            + backend);
            if (dump != null) {
                SafetensorsWriter.write(dump, report.computed());
            }
            return failed == 0 ? 0 : 1;
        }
    }

    /** Said before anything is computed. */
    private static void checkCanBeWritten(Path file) {
        Path parent = file.toAbsolutePath().getParent();
        if (parent == null || Files.isDirectory(file)) {
            throw new Failure("--dump " + file + ": is a folder, not a file");
        }
        if (!Files.isDirectory(parent)) {
            throw new Failure("--dump " + file + ": there is no folder " + parent);
        }
    }

    private static void print(List<Check> checks, Results results) {
        int width = "tensor".length();
        for (Check check : checks) {
            width = Math.max(width, ErrorLine.printable(check.tensor()).length());
        }
        String row = "%-" + width + "s  %11s  %9s  %s";
        results.line(String.format(Locale.ROOT, row, "tensor", "worst error", "tolerance", "result"));
        for (Check check : checks) {
            results.line(String.format(
                    Locale.ROOT,
                    row,
                    ErrorLine.printable(check.tensor()),
                    number(check.worst()),
                    number(check.tolerance()),
                    (check.passed() ? "ok" : "FAIL")
                            + (check.problem().isEmpty() ? "" : " (" + check.problem() + ")")));
        }
    }

    private static String number(double value) {
        return value == 0 ? "0" : Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2e", value);
    }
}
