package dev.gatun.cli;

import dev.gatun.model.PackedModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun pack}: a model in one file that starts are fast from. */
final class PackCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Writes a model into one file, in the layout that this computer's vector kernels read.")
                .description("OUT then goes where --model does: it is mapped, nothing of it is packed or copied, and"
                        + " processes share its memory. It has its hashes, and fits processors with the same vectors.");
        spec.addPositional(PositionalParamSpec.builder()
                .index("0")
                .paramLabel("MODEL")
                .required(true)
                .type(String.class)
                .description("GGUF file, folder of a model, or what --model takes elsewhere")
                .build());
        spec.addPositional(PositionalParamSpec.builder()
                .index("1")
                .paramLabel("OUT")
                .required(true)
                .type(String.class)
                .description("the file to write; one that is there is replaced when the new one is whole")
                .build());
        spec.addOption(GenerationOptions.weights());
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        WeightFormat format = GenerationOptions.format(invocation);
        String name = invocation.parameter("");
        String outName = invocation.own().matchedPositionalValue(1, "");
        Path out = Path.of(outName);
        if (Files.isDirectory(out)) {
            throw new Failure("pack: " + out + " is a folder; give the name of a file");
        }
        ModelFolder named = ModelOption.named(name);
        if (named != null) {
            PackedModel.write(named, out, format);
        } else {
            PackedModel.write(ModelOption.path(name, invocation), out, format);
        }
        invocation
                .results()
                .line(String.format(Locale.ROOT, "%s: %,d bytes", ErrorLine.printable(outName), Files.size(out)));
        return 0;
    }
}
