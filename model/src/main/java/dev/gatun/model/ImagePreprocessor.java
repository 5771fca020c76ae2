package dev.gatun.model;

import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;

/**
 * Makes of an image what a model reads, as preprocessor_config.json says: resized as Pillow does it, cut to its centre, scaled and
 * normalised.
 *
 * @param resizeHeight pixels; 0 for no resizing; -1 where {@code resizeWidth} is that of the shorter side
 * @param resizeWidth pixels
 * @param bicubic how pixels between pixels are found, else linearly
 * @param crop pixels along either side of what is cut out of the centre; 0 for all
 * @param factor of the values 0 to 255
 * @param mean of each colour, taken from the scaled values
 * @param std of each colour, by which they are divided
 * @param size pixels along either side that the model takes
 */
record ImagePreprocessor(
        int resizeHeight,
        int resizeWidth,
        boolean bicubic,
        int crop,
        float factor,
        float[] mean,
        float[] std,
        int size) {
    private static final int CHANNELS = 3;
    private static final int MAX_SIDE = 1 << 14;
    private static final int BILINEAR = 2; // PIL.Image.Resampling
    private static final int BICUBIC = 3;

    static ImagePreprocessor read(ModelFolder folder, int size) throws IOException {
        JsonConfig json = JsonConfig.read(folder, "preprocessor_config.json");
        int height = size;
        int width = size;
        if (!json.optionalBoolean("do_resize", true)) {
            height = 0;
        } else if (json.isObject("size")) {
            JsonConfig named = json.requireObject("size");
            if (named.has("shortest_edge")) {
                height = -1;
                width = named.requireInt("shortest_edge", 1, MAX_SIDE);
            } else {
                height = named.requireInt("height", 1, MAX_SIDE);
                width = named.requireInt("width", 1, MAX_SIDE);
            }
        } else if (json.has("size")) {
            height = json.requireInt("size", 1, MAX_SIDE);
            width = height;
        }
        int crop = 0;
        if (json.optionalBoolean("do_center_crop", false)) {
            crop = json.isObject("crop_size")
                    ? json.requireObject("crop_size").requireInt("height", 1, MAX_SIDE)
                    : json.optionalInt("crop_size", size, 1, MAX_SIDE);
        }
        boolean normalizes = json.optionalBoolean("do_normalize", true);
        float[] mean = normalizes ? three(json, "image_mean", 0.5f) : new float[CHANNELS];
        float[] std = normalizes ? three(json, "image_std", 0.5f) : new float[] {1, 1, 1};
        boolean rescales = json.optionalBoolean("do_rescale", true);
        double factor = rescales ? json.optionalDouble("rescale_factor", 1 / 255.0, 0, 1e6) : 1;
        boolean bicubic = json.optionalInt("resample", BILINEAR, BILINEAR, BICUBIC) == BICUBIC;
        return new ImagePreprocessor(height, width, bicubic, crop, (float) factor, mean, std, size);
    }

    private static float[] three(JsonConfig json, String key, float fallback) {
        if (!json.has(key)) {
            return new float[] {fallback, fallback, fallback};
        }
        List<Double> values = json.doubles(key, -1e6, 1e6);
        if (values.size() != CHANNELS) {
            throw new ModelFormatException(json.file() + ": " + key + " has " + values.size() + " numbers, not 3");
        }
        return new float[] {
            values.get(0).floatValue(),
            values.get(1).floatValue(),
            values.get(2).floatValue()
        };
    }

    /** Reads an image from a file. */
    static BufferedImage image(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString());
        }
        BufferedImage image;
        try {
            image = ImageIO.read(file.toFile());
        } catch (IOException | RuntimeException e) { // readers throw either on broken files
            throw new InputException(file + ": an image that cannot be read: " + e.getMessage());
        }
        if (image == null) {
            throw new InputException(file + ": not an image of a format that is read, "
                    + String.join(", ", List.of(ImageIO.getReaderFileSuffixes())));
        }
        return image;
    }

    /** Values [3, size, size] of an image. */
    float[] pixels(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        float[] values = new float[CHANNELS * width * height];
        int[] rgb = image.getRGB(0, 0, width, height, null, 0, width);
        for (int i = 0; i < rgb.length; i++) {
            for (int c = 0; c < CHANNELS; c++) {
                values[c * rgb.length + i] = rgb[i] >> 16 - 8 * c & 0xFF;
            }
        }
        if (resizeHeight != 0) {
            int newWidth = resizeWidth;
            int newHeight = resizeHeight;
            if (resizeHeight < 0) { // the shorter side becomes resizeWidth, the longer one stays in proportion
                boolean upright = height >= width;
                newWidth = upright ? resizeWidth : (int) ((long) resizeWidth * width / height);
                newHeight = upright ? (int) ((long) resizeWidth * height / width) : resizeWidth;
            }
            values = resizeRows(values, width, newWidth);
            values = transpose(resizeRows(transpose(values, newWidth, height), height, newHeight), newHeight, newWidth);
            width = newWidth;
            height = newHeight;
        }
        int side = crop == 0 ? size : crop;
        if (side != size || crop == 0 && (width != size || height != size)) {
            throw new InputException("an image of " + width + " x " + height + " after preprocessing, the model takes "
                    + size + " x " + size);
        }
        return normalized(values, width, height);
    }

    /** The centre of an image, zeros where it has none, as the model wants its values. */
    private float[] normalized(float[] values, int width, int height) {
        int top = Math.floorDiv(height - size, 2);
        int left = Math.floorDiv(width - size, 2);
        float[] out = new float[CHANNELS * size * size];
        for (int c = 0; c < CHANNELS; c++) {
            for (int y = 0; y < size; y++) {
                for (int x = 0; x < size; x++) {
                    int fromY = y + top;
                    int fromX = x + left;
                    boolean inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
                    float value = inside ? values[(c * height + fromY) * width + fromX] : 0;
                    out[(c * size + y) * size + x] = (value * factor - mean[c]) / std[c];
                }
            }
        }
        return out;
    }

    /** Each plane [height, width] of three as [width, height]. */
    private static float[] transpose(float[] values, int width, int height) {
        float[] out = new float[values.length];
        int plane = width * height;
        for (int c = 0; c < CHANNELS; c++) {
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    out[c * plane + x * height + y] = values[c * plane + y * width + x];
                }
            }
        }
        return out;
    }

    /**
     * Every row of {@code width} values with {@code newWidth}: the filter is as wide as the pixels it shrinks into one, and the
     * result is rounded to 0 to 255 (Pillow's Resample.c).
     */
    private float[] resizeRows(float[] values, int width, int newWidth) {
        int rows = values.length / width;
        float[] out = new float[rows * newWidth];
        double scale = (double) width / newWidth;
        double filterScale = Math.max(scale, 1);
        double support = (bicubic ? 2 : 1) * filterScale;
        for (int x = 0; x < newWidth; x++) {
            double center = (x + 0.5) * scale;
            int from = Math.max(0, (int) (center - support + 0.5));
            int to = Math.min(width, (int) (center + support + 0.5));
            double[] weights = new double[to - from];
            double sum = 0;
            for (int i = 0; i < weights.length; i++) {
                weights[i] = filter((i + from - center + 0.5) / filterScale);
                sum += weights[i];
            }
            for (int row = 0; row < rows; row++) {
                double value = 0;
                for (int i = 0; i < weights.length; i++) {
                    value += weights[i] * values[row * width + from + i];
                }
                out[row * newWidth + x] = Math.clamp(Math.round(value / sum), 0, 255);
            }
        }
        return out;
    }

    private double filter(double x) {
        double t = Math.abs(x);
        if (!bicubic) {
            return Math.max(0, 1 - t);
        }
        double a = -0.5; // Keys' cubic, as Pillow has it
        if (t < 1) {
            return ((a + 2) * t - (a + 3)) * t * t + 1;
        }
        return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
    }
}
