package dev.gatun.image;

/** What {@link dev.gatun.cli.Prepare} does, for the image's archive of classes. */
public final class Prepare {
    private Prepare() {}

    /** As the command line's own. */
    public static void main(String[] args) {
        Main.loadVectors();
        dev.gatun.cli.Prepare.main(args);
    }
}
