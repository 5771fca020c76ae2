package dev.gatun.model;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.equivalentTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleName;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** What JPMS cannot say. */
class ArchitectureTest {
    private static final JavaClasses MODEL = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.gatun.model");

    @Test
    void modelsKnowOfForeignMemoryOnlyThatItHasAnArena() {
        noClasses()
                .that(not(resideInAPackage("dev.gatun.model.weights"))) // reads and writes files
                .and(not(simpleName("CacheFile").or(simpleName("SpillFile")))) // the same, of a cache
                .and(not(equivalentTo(TextEmbedder.class))) // writes into a segment of the caller's
                .should()
                .dependOnClassesThat(resideInAPackage("java.lang.foreign..").and(not(equivalentTo(Arena.class))))
                .check(MODEL);
    }

    @Test
    void packagesDoNotDependOnEachOtherInCircles() {
        slices().matching("dev.gatun.model.(*)..").should().beFreeOfCycles().check(MODEL);
    }
}
