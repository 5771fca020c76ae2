package dev.gatun.model;

import dev.gatun.model.nn.WeightFormat;
import java.io.IOException;
import java.nio.file.Path;

/** Another process: packs a model over and over until it is killed. */
final class PackChild {
    private PackChild() {}

    /** Arguments: the model's folder, the file. Prints a line when the file is there. */
    public static void main(String[] args) throws IOException {
        for (int i = 0; i < 100_000; i++) {
            PackedModel.write(Path.of(args[0]), Path.of(args[1]), WeightFormat.AS_STORED);
            if (i == 0) {
                System.out.println("packed");
                System.out.flush();
            }
        }
    }
}
