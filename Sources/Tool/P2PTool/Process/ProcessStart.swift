#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What has to be done before anything else opens a descriptor or starts a thread, because whoever starts the tool may leave it in any state.
enum ProcessStart {
    /// Descriptors that any command needs beyond the standard streams: the runtime traps where it can't have its own.
    private static let neededByAll = 4

    /// Secures the standard streams and the signals; ends the process with a reason where it could not even begin.
    static func secure() {
        ProcessSignals.reset()
        guard self.fillStandardStreams() else { self.end("the standard streams are closed, and there is nothing to put in their place") }
        let supply = DescriptorSupply.measure(upTo: self.neededByAll)
        guard supply.free >= self.neededByAll else { self.end(supply.shortage(of: self.neededByAll, for: "the tool").description) }
        if let refusal = WaitingSupport.refusal() { self.end("the system refuses \(refusal): no event loop runs without it") }
        TrapGuard.begin()
    }

    /// Takes the numbers of standard streams that are closed, so that no socket gets them. What is put there fails when it is used, as a closed
    /// stream does: it can be written to where it should be read from, and the other way round.
    private static func fillStandardStreams() -> Bool {
        for number in 0...2 as ClosedRange<CInt> where fcntl(number, F_GETFD) == -1 && errno == EBADF {
            let mode = number == SystemFile.standardInput ? O_WRONLY : O_RDONLY
            var opened = open("/dev/null", mode)
            // Without devices, as in a bare chroot: a directory can be neither read nor written.
            if opened < 0 { opened = open("/", O_RDONLY | O_DIRECTORY) }
            guard opened == number else { return false }
        }
        return true
    }

    private static func end(_ reason: String) -> Never {
        let line = Array("p2p: \(reason)\n".utf8)
        // Blocking here would hold up nobody but a signal, and that ends the process.
        _ = write(SystemFile.standardError, line, line.count)
        exit(EXIT_FAILURE)
    }
}
