import NIOCore
import P2PCore
import P2PHTTPHead

/// Reads messages from a stream, within times. For one task.
struct HTTPMessageStream {
    let stream: PeerStream
    let limits: HTTPLimits
    let clock: HostClock
    private(set) var input = ByteBuffer()

    init(_ stream: PeerStream, _ limits: HTTPLimits, _ clock: HostClock) {
        self.stream = stream
        self.limits = limits
        self.clock = clock
    }

    /// Waits for a head; nil when the other side ends before its first byte.
    ///
    /// - Parameter turn: when its time begins; nil for now.
    mutating func head(_ turn: HTTPTurn? = nil) async throws -> HTTPHead? {
        var reader = HTTPHeadReader(maximumLength: self.limits.headBytes)
        let turn = turn ?? HTTPTurn(theirsSince: self.clock.now())
        var isBegun = false
        while true {
            if self.input.readableBytes > 0 {
                isBegun = true
                do throws(HTTPHeadError) {
                    if let head = try reader.received(&self.input) { return head }
                } catch {
                    throw HTTPRefusal(
                        error.message.contains("longer than") || error.message.contains("more than") ? 431 : 400, error.message)
                }
            }
            let patience = HTTPTurn.Patience(self.limits.headTime, withBody: self.limits.bodyIdle)
            guard let bytes = try await self.read(turn, patience, "the head of a message") else {
                if isBegun { throw HTTPRefusal("the stream ended within a head") }
                return nil
            }
            self.input = bytes
        }
    }

    /// Waits for more of a body; nil at its end.
    mutating func body(_ reader: inout HTTPBodyReader) async throws -> ByteBuffer? {
        while true {
            switch try reader.next(&self.input) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .more:
                let turn = HTTPTurn(theirsSince: self.clock.now())
                guard let bytes = try await self.read(turn, HTTPTurn.Patience(self.limits.bodyIdle), "more of a body") else {
                    if reader.endsWithStream { return nil }
                    throw HTTPError(.unexpectedEnd, "the stream ended within a body")
                }
                self.input = bytes
            }
        }
    }

    /// Gives back what was read too much of.
    mutating func unreadRest() {
        guard self.input.readableBytes > 0 else { return }
        self.stream.muxed.unread(self.input)
        self.input = ByteBuffer()
    }

    private func read(_ turn: HTTPTurn, _ patience: HTTPTurn.Patience, _ what: String) async throws -> ByteBuffer? {
        let stream = self.stream
        // What is there already costs no timer.
        if case .bytes(let bytes) = stream.muxed.tryRead(upTo: .max) { return bytes }
        do {
            let outcome = try await turn.wait(patience, on: self.clock) { () async throws(StreamError) -> ByteBuffer? in
                try await stream.read()
            }
            guard let outcome else {
                if Task.isCancelled { throw CancellationError() }
                throw HTTPError(.timedOut, "\(what) did not come in time")
            }
            return outcome
        } catch let error as StreamError {
            throw HTTPError(error)
        }
    }
}
