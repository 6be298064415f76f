/**
 * Properties as `npm run mutants` needs them in `cluster/`, where one costs up to a minute: the same each time, none longer
 * than some seconds, and done at the first failure, since nobody reads a smaller example of it.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: 1, endOnFailure: true, interruptAfterTimeLimit: 3000 });
