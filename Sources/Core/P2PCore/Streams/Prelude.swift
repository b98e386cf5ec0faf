import NIOCore

/// What stands before the application's bytes where a protocol is agreed on lazily: our proposal, kept back until there is something to
/// send it with, and the peer's answer.
struct Prelude {
    private var held: ByteBuffer?
    private var expectation: LazyExpectation?

    /// Whether whatever still comes is the application's.
    var isAgreed: Bool { self.expectation == nil }
    /// Whether something is kept back.
    var isHolding: Bool { self.held != nil }
    /// What the peer has been asked for, until it has agreed.
    var proposed: ProtocolID? { self.expectation?.protocolID }

    mutating func expect(_ expectation: LazyExpectation) { self.expectation = expectation }

    mutating func hold(_ bytes: ByteBuffer) {
        if self.held == nil { self.held = bytes } else { self.held?.writeImmutableBuffer(bytes) }
    }

    /// What was kept back, to be sent or forgotten.
    mutating func takeHeld() -> ByteBuffer? { self.held.take() }

    /// Consumes as much of the answer as there is; returns why the peer does not agree.
    mutating func consume(_ bytes: inout ByteBuffer) -> StreamError? {
        switch self.expectation?.consume(&bytes) {
        case .more, nil: return nil
        case .met:
            self.expectation = nil
            return nil
        case .failed(let error): return error
        }
    }
}
