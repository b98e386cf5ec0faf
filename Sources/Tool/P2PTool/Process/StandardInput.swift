import Dispatch
import NIOCore
import Synchronization

/// The standard input of the process, read piece by piece as it is asked for: however much there is, one piece is in memory.
///
/// Reading happens on a queue of its own and gives up when its task is cancelled, even at a silent terminal.
final class StandardInput: Sendable {
    /// The size of a piece, in bytes.
    static let pieceSize = 64 * 1_024
    /// How long a cancelled read may go unnoticed, in milliseconds.
    private static let patience: CInt = 100

    private let queue = DispatchQueue(label: "p2p.stdin")

    /// The next piece; nil at the end.
    func next() async throws -> ByteBuffer? {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
                self.queue.async { continuation.resume(with: Result { try Self.read(unless: cancellation) }) }
            }
        } onCancel: {
            cancellation.isRequested.store(true, ordering: .relaxed)
        }
    }

    private static func read(unless cancellation: Cancellation) throws -> ByteBuffer? {
        while !SystemFile.poll(SystemFile.standardInput, for: SystemFile.readable, milliseconds: Self.patience) {
            if cancellation.isRequested.load(ordering: .relaxed) { throw CancellationError() }
        }
        return try SystemFile.read(upTo: Self.pieceSize, from: SystemFile.standardInput)
    }

    private final class Cancellation: Sendable {
        let isRequested = Atomic(false)
    }
}
