public import NIOCore
import P2PCore
import Synchronization

/// The body of a message that comes, piece by piece, as fast as it is read and no faster. One reader at a time.
public final class HTTPIncomingBody: Sendable, AsyncSequence {
    /// The bytes of one read.
    public typealias Element = ByteBuffer

    /// Where the pieces come from.
    enum Source {
        case messages(HTTPMessageStream, HTTPBodyReader)
        case pieces(@Sendable () async throws -> ByteBuffer?)

        mutating func next() async throws -> ByteBuffer? {
            switch self {
            case .pieces(let next): return try await next()
            case .messages(var messages, var reader):
                defer { self = .messages(messages, reader) }
                return try await messages.body(&reader)
            }
        }
    }

    private enum State {
        case waiting(Source)
        case reading
        case over
    }

    private let state: Mutex<State>
    /// Lives for as long as the body.
    private let companion: (any Sendable)?

    /// - Parameter companion: is let go of with the body.
    init(_ source: sending Source, with companion: (any Sendable)? = nil) {
        self.state = Mutex(.waiting(source))
        self.companion = companion
    }

    /// A body of nothing.
    package init() {
        self.state = Mutex(.over)
        self.companion = nil
    }

    /// A body of another version of HTTP.
    ///
    /// - Parameter next: waits for a piece; nil at the end. It is not called again before it has returned, nor after it has thrown.
    package convenience init(reading next: @escaping @Sendable () async throws -> ByteBuffer?) { self.init(.pieces(next)) }

    /// Waits for the next piece; nil at the end.
    ///
    /// - Throws: ``HTTPError``; `malformed`, `unexpectedEnd`, `timedOut`, `broken`, `busy`.
    public func next() async throws -> ByteBuffer? {
        let state = self.state.withLock { state in
            defer { if case .waiting = state { state = .reading } }
            return state
        }
        guard case .waiting(var source) = state else {
            if case .reading = state { throw HTTPError(.busy, "another task reads this body") }
            return nil
        }
        do {
            let piece = try await source.next()
            let rest = source
            self.state.withLock { $0 = piece == nil ? .over : .waiting(rest) }
            return piece
        } catch {
            self.state.withLock { $0 = .over }
            if let refusal = error as? HTTPRefusal { throw HTTPError(.malformed, refusal.message) }
            throw error
        }
    }

    /// All of it.
    ///
    /// - Parameter limit: the most that is accepted, in bytes.
    /// - Throws: ``HTTPError`` (`tooLarge`) beyond it.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var all = ByteBuffer()
        while let piece = try await self.next() {
            guard piece.readableBytes <= limit - all.readableBytes else {
                throw HTTPError(.tooLarge, "the body is longer than \(limit) bytes")
            }
            all.writeImmutableBuffer(piece)
        }
        return all
    }

    /// Reads the pieces one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: HTTPIncomingBody

        /// Waits for the next one.
        public mutating func next() async throws -> ByteBuffer? { try await self.body.next() }
    }

    /// Starts iterating.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }
}
