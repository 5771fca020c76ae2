package dev.gatun.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.apache.spark.sql.SparkSession;

/** A Spark cluster of this machine: a master in this JVM and executors that are processes, with the class path of this JVM. */
final class LocalCluster {
    private LocalCluster() {}

    /**
     * Starts one; closing the session ends it.
     *
     * @param workers processes
     * @param cores of each
     * @param folder for what Spark writes
     */
    static SparkSession start(int workers, int cores, Path folder) throws IOException {
        // Where a worker looks for Spark's jars, which have to be a folder: it finds them on the class path.
        Files.createDirectories(
                Path.of(Objects.requireNonNull(System.getenv("SPARK_HOME"))).resolve("jars"));
        return SparkSession.builder()
                .master("local-cluster[" + workers + "," + cores + ",1024]")
                .appName("gatun")
                .config("spark.executor.memory", "512m")
                .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .config(
                        "spark.executor.extraJavaOptions",
                        "--add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.scheduler.minRegisteredResourcesRatio", "1")
                .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "300s")
                .config("spark.sql.warehouse.dir", folder.toUri().toString())
                .config("spark.local.dir", folder.toString())
                .config("spark.sql.shuffle.partitions", 2 * workers * cores)
                .config("spark.ui.enabled", "false")
                .getOrCreate();
    }
}
