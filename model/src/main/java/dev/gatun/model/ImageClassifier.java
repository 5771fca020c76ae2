package dev.gatun.model;

import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Says what an image shows: ViT and DeiT with a head for image classification. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var classifier = ImageClassifier.open(ModelFolder.of(Path.of("vit-base-patch16-224")), backend)) {
 *     System.out.println(classifier.classify(Path.of("ship.jpg")).getFirst());
 * }
 * }</pre>
 */
public final class ImageClassifier implements AutoCloseable {
    private record Vision(EncoderModel model, ImagePreprocessor preprocessor) implements Shared.Resource {
        @Override
        public void close() {
            model.close();
        }
    }

    private final Shared<Vision> shared;

    private ImageClassifier(Vision vision) {
        shared = new Shared<>("image classifier", vision);
    }

    /**
     * Opens a model's folder: config.json, weights, preprocessor_config.json. The caller closes the classifier, and after it the
     * backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is not for image classification
     */
    public static ImageClassifier open(ModelFolder folder, Backend backend) throws IOException {
        EncoderModel model = EncoderModel.load(folder, backend);
        try {
            if (!model.isOfImages() || model.task() != Task.CLASSIFY) {
                throw new ModelFormatException(folder.name() + ": not a model that classifies images");
            }
            return new ImageClassifier(new Vision(model, ImagePreprocessor.read(folder, model.imageSize())));
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /** The labels that there are. */
    public List<String> labels() {
        return shared.use(vision -> vision.model.labels());
    }

    /**
     * All labels with their probabilities, which sum to 1, the best first.
     *
     * @throws InputException if the file is no image that ImageIO reads
     * @throws IOException if it is missing or cannot be read
     */
    public List<ScoredLabel> classify(Path file) throws IOException {
        return classify(ImagePreprocessor.image(file));
    }

    /** All labels of an image, the best first. */
    public List<ScoredLabel> classify(BufferedImage image) {
        return classifyAll(List.of(image)).getFirst();
    }

    /** The labels of images, in their order; each as it is alone. */
    public List<List<ScoredLabel>> classifyAll(List<BufferedImage> images) {
        return shared.use(vision -> {
            List<List<ScoredLabel>> results = new ArrayList<>();
            int tokens = vision.model.config().nPositions();
            int atOnce = Math.max(1, TextModel.BATCH_TOKENS / tokens);
            for (int from = 0; from < images.size(); from += atOnce) {
                List<BufferedImage> batch = images.subList(from, Math.min(images.size(), from + atOnce));
                float[][] pixels =
                        batch.stream().map(vision.preprocessor::pixels).toArray(float[][]::new);
                try (var session = vision.model.newSession(tokens * batch.size())) {
                    session.encodeImages(pixels);
                    session.scoreSequences((b, logits) -> results.add(
                            ScoredLabel.sorted(vision.model.labels(), ScoredLabel.softmax(logits.toFloats()))));
                }
            }
            return results;
        });
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
