import Dispatch
import NIOCore
import Synchronization

/// The standard input of the process, read piece by piece as it is asked for: however much there is, one piece is in memory.
///
/// Reading happens on a queue of its own and gives up when its task is cancelled, even at a silent terminal.
final class StandardInput: Sendable {
    /// The size of a piece, in bytes.
    static let pieceSize = 64 * 1_024
    /// How long it may say nothing once ``endWhenSilent()`` was called.
    static let silence = Duration.milliseconds(500)
    private let queue = DispatchQueue(label: "p2p.stdin")
    private let mayBeSilent = Atomic(true)

    /// From now on it has ended when it says nothing for half a second: a terminal, or a program that waits for an answer, would never end it.
    func endWhenSilent() { self.mayBeSilent.store(false, ordering: .relaxed) }

    /// The next piece; nil at the end.
    func next() async throws -> ByteBuffer? {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
                self.queue.async { continuation.resume(with: Result { try self.read(unless: cancellation) }) }
            }
        } onCancel: {
            cancellation.request()
        }
    }

    private func read(unless cancellation: Cancellation) throws -> ByteBuffer? {
        var silentSince: ContinuousClock.Instant?
        while !SystemFile.poll(SystemFile.standardInput, for: SystemFile.readable, milliseconds: SystemFile.patience) {
            if cancellation.isRequested { throw CancellationError() }
            guard !self.mayBeSilent.load(ordering: .relaxed) else { continue }
            let since = silentSince ?? .now
            if .now - since >= Self.silence { return nil }
            silentSince = since
        }
        return try SystemFile.read(upTo: Self.pieceSize, from: SystemFile.standardInput)
    }
}
