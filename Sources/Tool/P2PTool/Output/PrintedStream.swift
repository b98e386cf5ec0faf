import Dispatch
import NIOCore
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A standard stream of the process, which a thread of its own writes: a reader that is slow, or a terminal that is stopped, holds up that
/// thread and nobody else.
final class PrintedStream: Sendable {
    /// How often the end looks whether everything is written.
    private static let interval = Duration.milliseconds(2)

    private struct State {
        var backlog: PrintBacklog
        var isWriting = false
        /// Why nothing is written any more: nobody is there to read it.
        var end: ToolError?
        /// Bytes that the system took.
        var written: UInt64 = 0
        /// A line was cut off by an error.
        var isMidLine = false
    }

    private let descriptor: CInt
    private let queue: DispatchQueue
    private let state: Mutex<State>

    /// - Parameters:
    ///   - limit: bytes that may wait for a reader.
    ///   - note: a line, with its end, that says how many lines are missing.
    init(_ descriptor: CInt, limit: Int, note: @escaping @Sendable (_ lost: Int) -> String) {
        self.descriptor = descriptor
        self.queue = DispatchQueue(label: "p2p.print.\(descriptor)")
        self.state = Mutex(State(backlog: PrintBacklog(limit: limit, note: note)))
    }

    /// Prints a line, with its end, as soon as somebody reads; never waits. When too much waits already, it is left out and counted.
    func offer(_ line: ByteBuffer) {
        self.change { $0.backlog.offer(line) }
    }

    /// Returns once the system has taken every byte. A cancelled task writes too, but does not wait for a reader.
    ///
    /// - Throws: `ToolError` with the code `outputClosed` when nobody reads any more, `outputFailed` otherwise.
    func write(_ bytes: ByteBuffer) async throws {
        guard !Task.isCancelled else { return self.offer(bytes) }
        let waiter = PrintWaiter()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiter.park(continuation)
                if let end = self.change({ $0.backlog.append(bytes, waiter: waiter) }) { waiter.resume(end) }
            }
        } onCancel: {
            waiter.resume()
        }
    }

    /// Waits at the end of the process until everything is written, for as long as somebody reads, and not beyond `limit`.
    ///
    /// - Parameter patience: how long nothing may be read.
    static func finish(_ streams: [PrintedStream], patience: Duration = .seconds(1), limit: Duration = .milliseconds(1_500)) {
        let start = ContinuousClock.now
        var (last, seen) = (start, UInt64(0))
        while true {
            let states = streams.map { stream in stream.state.withLock { (isWriting: $0.isWriting, written: $0.written) } }
            let written = states.reduce(0) { $0 + $1.written }
            let now = ContinuousClock.now
            if written != seen { (last, seen) = (now, written) }
            guard states.contains(where: { $0.isWriting }), now - last < patience, now - start < limit else { return }
            usleep(UInt32(Self.interval.milliseconds * 1_000))
        }
    }

    // MARK: The thread

    /// Changes what waits, and sees to it that it is written.
    ///
    /// - Returns: why it will not be.
    @discardableResult
    private func change(_ body: (inout State) -> Void) -> ToolError? {
        let (isToStart, end) = self.state.withLock { state -> (Bool, ToolError?) in
            guard state.end == nil else { return (false, state.end) }
            body(&state)
            defer { state.isWriting = true }
            return (!state.isWriting, nil)
        }
        if isToStart { self.queue.async { self.drain() } }
        return end
    }

    private func drain() {
        while var piece = self.next() {
            let size = piece.bytes.readableBytes
            let failure = self.write(&piece.bytes)
            let (waiters, goesOn) = self.wrote(piece, isPartial: piece.bytes.readableBytes < size, failure)
            piece.waiter?.resume(failure)
            for waiter in waiters { waiter.resume(failure) }
            guard goesOn else { return }
        }
    }

    private func next() -> PrintBacklog.Piece? {
        self.state.withLock { state in
            guard state.end == nil, var piece = state.backlog.next() else {
                state.isWriting = false
                return nil
            }
            if state.isMidLine, piece.waiter == nil {
                var bytes = ByteBuffer(string: "\n")
                bytes.writeBuffer(&piece.bytes)
                piece.bytes = bytes
            }
            return piece
        }
    }

    private func write(_ bytes: inout ByteBuffer) -> ToolError? {
        do throws(ToolError) {
            try SystemFile.write(&bytes, to: self.descriptor) { count in self.state.withLock { $0.written += UInt64(count) } }
            return nil
        } catch {
            return error
        }
    }

    /// - Returns: who else waits in vain, and whether there may be more to write.
    private func wrote(
        _ piece: PrintBacklog.Piece, isPartial: Bool, _ failure: ToolError?
    ) -> (waiters: [PrintWaiter], goesOn: Bool) {
        self.state.withLock { state in
            guard let failure else {
                state.isMidLine = false
                return ([], true)
            }
            guard failure.code != ToolError.outputClosed else {
                state.end = failure
                state.isWriting = false
                return (state.backlog.clear(), false)
            }
            // A full disk may have room again, so the next line is tried; a note alone is not.
            if isPartial, piece.waiter == nil { state.isMidLine = true }
            state.isWriting = !state.backlog.isEmpty
            state.backlog.lose(piece.lines)
            return ([], state.isWriting)
        }
    }
}
