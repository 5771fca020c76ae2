package dev.gatun.model;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Another process, with a small heap: a model's longest context within a budget. */
final class BudgetChild {
    private static final int CTX = 8192;

    private BudgetChild() {}

    /** Arguments: the model, the budget. Prints planned bytes, and kilobytes that became resident with the session. */
    public static void main(String[] args) throws IOException {
        Path model = Path.of(args[0]);
        long budget = Long.parseLong(args[1]);
        long planned;
        var options = new Backend.Options(Kind.VECTOR, 1, null);
        try (Backend backend = Backend.open(options);
                ModelPlan plan = ModelPlan.open(model, backend, WeightFormat.AS_STORED)) {
            planned = plan.at(CTX, 1, 1).totalBytes();
        }
        System.out.println(planned);
        try (Backend backend = Backend.open(options.with(MemoryBudget.of(Math.min(budget, planned))));
                TextGenerator generator = TextGenerator.open(model, backend)) {
            long before = resident();
            try (var session = generator.decoder().newSession(SessionSize.forOne(CTX))) {
                long after = resident();
                session.prefill(session.newSequence(), new int[] {5, 6, 7}, 0, 3);
                System.out.println(session.byteSize() / 1024);
                System.out.println(after - before);
                System.out.println(backend.budget().free());
            }
        }
        try (Backend backend = Backend.open(options.with(MemoryBudget.of(planned - 1)));
                TextGenerator generator = TextGenerator.open(model, backend)) {
            generator.decoder().newSession(SessionSize.forOne(CTX)).close();
            System.out.println("not refused");
        } catch (MemoryBudgetException e) {
            System.out.println(e.getMessage());
        }
    }

    private static long resident() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst()
                .orElseThrow();
    }
}
