package dev.gatun.model;

import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;

/** Another process that uses a packed model and waits. */
final class PackedChild {
    private PackedChild() {}

    /** Argument: the file. Prints a line when the model has computed something; ends with its input. */
    public static void main(String[] args) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                DecoderModel model =
                        DecoderModel.load(ModelFolder.of(Path.of(args[0])), backend, WeightFormat.AS_STORED);
                var session = model.decoder().newSession(SessionSize.forOne(4))) {
            session.prefill(session.newSequence(), new int[] {5, 6}, 0, 2);
            System.out.println(model.packedByteSize());
            System.out.flush();
            System.in.read();
        }
    }
}
