import Dispatch
import NIOCore

/// The standard input of the process, read piece by piece as it is asked for: however much there is, one piece is in memory.
///
/// Reading happens on a queue of its own and gives up when its task is cancelled, even at a silent terminal.
final class StandardInput: Sendable {
    /// The size of a piece, in bytes.
    static let pieceSize = 64 * 1_024
    private let queue = DispatchQueue(label: "p2p.stdin")

    /// The next piece; nil at the end.
    func next() async throws -> ByteBuffer? {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
                self.queue.async { continuation.resume(with: Result { try Self.read(unless: cancellation) }) }
            }
        } onCancel: {
            cancellation.request()
        }
    }

    private static func read(unless cancellation: Cancellation) throws -> ByteBuffer? {
        while !SystemFile.poll(SystemFile.standardInput, for: SystemFile.readable, milliseconds: SystemFile.patience) {
            if cancellation.isRequested { throw CancellationError() }
        }
        return try SystemFile.read(upTo: Self.pieceSize, from: SystemFile.standardInput)
    }
}
