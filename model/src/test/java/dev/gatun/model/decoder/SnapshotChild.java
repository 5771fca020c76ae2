package dev.gatun.model.decoder;

import dev.gatun.model.nn.Fingerprint;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;

/** Another process: computes a prompt and saves it over and over until it is killed. */
final class SnapshotChild {
    private SnapshotChild() {}

    /** Arguments: the model's folder, the file. Prints a line when the file is there. */
    public static void main(String[] args) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                DecoderModel model = DecoderModel.load(ModelFolder.of(Path.of(args[0])), backend);
                DecoderSession session = model.decoder().newSession(SnapshotTest.SIZE)) {
            Sequence sequence = session.newSequence();
            int[] ids = DecoderCacheTest.ids(SnapshotTest.PROMPT, 5);
            session.prefill(sequence, ids, 0, ids.length);
            for (int i = 0; i < 100_000; i++) {
                session.save(sequence, Fingerprint.of(model.sha256()), new byte[i % 50_000], Path.of(args[1]));
                if (i == 0) {
                    System.out.println("saved");
                    System.out.flush();
                }
            }
        }
    }
}
