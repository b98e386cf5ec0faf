import NIOCore
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PTunnels

@Suite("Why there is no tunnel", .timeLimit(.minutes(1)))
struct TunnelErrorTests {
    /// What a stream fails with that the peer resets in answer to a proposal.
    private func failure(_ code: StreamErrorCode) async throws -> StreamError {
        let pair = StreamPair()
        pair.dialer.muxed.expect(
            LazyExpectation(of: "/x/nothing", agreement: ByteBuffer(string: "yes"), refusal: ByteBuffer(string: "no")))
        pair.listener.reset(code)
        return try #require(await #expect(throws: StreamError.self) { try await pair.dialer.read() })
    }

    @Test("A reset in place of an answer says what was asked for, and what to do")
    func unanswered() async throws {
        let error = TunnelError(streamFailure: try await self.failure(.cancelled))
        #expect(error.code == .unanswered)
        #expect(error.message.hasPrefix("the peer reset the stream before it agreed to /x/nothing: it may not serve that"))
    }

    @Test(
        "A reset whose number says why is told by that",
        arguments: [(StreamErrorCode.gated, TunnelError.Code.denied), (.resourceLimitExceeded, .busy)])
    func numbered(code: StreamErrorCode, what: TunnelError.Code) async throws {
        #expect(TunnelError(streamFailure: try await self.failure(code)).code == what)
    }
}
