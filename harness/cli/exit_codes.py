"""What the exit codes of the command line say."""

OK, SOME_FAILED, USER_ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
EXIT_CODES = {
    OK: "success",
    SOME_FAILED: "something is incomplete, failed, or differs; the output names it",
    USER_ERROR: "an error that you can correct: the message says how",
    INTERRUPTED: "stopped by Ctrl-C or SIGTERM; the same command resumes",
    BROKEN_PIPE: "the reader of the output has left, as in `| head`",
}
