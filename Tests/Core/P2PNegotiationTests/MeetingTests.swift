import NIOCore
import NIOEmbedded
import P2PCore
import Testing

@testable import P2PNegotiation

@Suite("Two sides that have both dialled")
struct MeetingTests {
    private static let patience = TimeAmount.milliseconds(100)

    /// One side, which negotiates `/a` once it knows in which role.
    private final class Side {
        let channel = EmbeddedChannel()
        private(set) var role: ConnectionRole?
        private(set) var verdict: Result<ProtocolID, NegotiationError>?
        private(set) var failure: NegotiationError?

        init(_ agreed: ConnectionRole, patience: TimeAmount = MeetingTests.patience) throws {
            let handler = MeetingHandler(as: agreed, patience: patience) { outcome in
                switch outcome {
                case .failure(let error): self.failure = error
                case .success((let role, let hasSaidHeader)):
                    self.role = role
                    let negotiation =
                        switch role {
                        case .dialer:
                            NegotiationHandler(proposing: ["/a"], lazily: false, hasSaidHeader: hasSaidHeader) { self.verdict = $0 }
                        case .listener: NegotiationHandler(accepting: ["/a"], hasSaidHeader: hasSaidHeader) { self.verdict = $0 }
                        }
                    #expect(throws: Never.self) { try self.channel.pipeline.syncOperations.addHandler(negotiation) }
                }
            }
            try self.channel.pipeline.syncOperations.addHandler(handler)
            try self.channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
        }

        func said() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try self.channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
            return bytes
        }

        func hear(_ bytes: [UInt8], inPiecesOf size: Int = .max) throws {
            var rest = bytes[...]
            while !rest.isEmpty {
                try self.channel.writeInbound(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
        }

        func wait(_ time: TimeAmount = patience) { self.channel.embeddedEventLoop.advanceTime(by: time) }
    }

    @Test(
        "Whoever should choose says its header; to another that says its alone, too, it proposes after a round trip", arguments: [1, .max])
    func twoListeners(size: Int) throws {
        let side = try Side(.listener)
        #expect(try side.said() == header)
        side.wait()
        #expect(side.role == nil, "the other may be late")
        try side.hear(header, inPiecesOf: size)
        side.wait(.milliseconds(99))
        #expect(side.role == nil)
        side.wait(.milliseconds(1))
        #expect(try side.role == .dialer && side.said() == frame("/a"))
        try side.hear(frame("/a"))
        #expect(side.verdict == .success("/a"))
    }

    @Test("Whoever should propose waits for the other's first bytes: to a proposal it answers")
    func twoDialers() throws {
        let side = try Side(.dialer)
        side.wait(.milliseconds(99))
        #expect(try side.said() == [])
        try side.hear(header + frame("/a"))
        #expect(try side.role == .listener && side.said() == header + frame("/a"))
        #expect(side.verdict == .success("/a"))
    }

    @Test(
        "It proposes to whoever says its header alone, at once, and to whoever says nothing, after a round trip", arguments: [false, true])
    func proposing(isSilent: Bool) throws {
        let side = try Side(.dialer)
        if isSilent {
            #expect(side.role == nil)
            side.wait()
        } else {
            try side.hear(header)
        }
        #expect(try side.role == .dialer && side.said() == header + frame("/a"))
        try side.hear((isSilent ? header : []) + frame("/a") + [1, 2])
        #expect(side.verdict == .success("/a"))
        #expect(try side.channel.readInbound(as: ByteBuffer.self) == ByteBuffer(bytes: [1, 2]))
        side.wait(.seconds(1))
        #expect(try side.said() == [])
    }

    @Test("Where both have the roles that were agreed on they keep them, also with a proposal behind its header", arguments: [1, 21, .max])
    func ordinary(size: Int) throws {
        let side = try Side(.listener)
        try side.hear(header + frame("/b") + frame("/a") + [7], inPiecesOf: size)
        #expect(try side.role == .listener && side.said() == header + frame("na") + frame("/a"))
        #expect(side.verdict == .success("/a"))
        #expect(try side.channel.readInbound(as: ByteBuffer.self) == ByteBuffer(bytes: [7]))
    }

    @Test(
        "Of two that believe to have the same role the one with less patience proposes, and the other answers",
        arguments: [ConnectionRole.listener, .dialer])
    func sameRole(role: ConnectionRole) throws {
        let (hasty, patient) = (try Side(role), try Side(role, patience: Self.patience * 2))
        let (ofHasty, ofPatient) = (try hasty.said(), try patient.said())
        try hasty.hear(ofPatient)
        try patient.hear(ofHasty)
        hasty.wait()
        patient.wait()
        #expect(hasty.role == .dialer && patient.role == nil)
        try patient.hear(hasty.said())
        #expect(patient.role == .listener)
        try hasty.hear(patient.said())
        #expect(hasty.verdict == .success("/a") && patient.verdict == .success("/a"))
        patient.wait()
        #expect(try patient.role == .listener && patient.said() == [])
    }

    @Test("Two of ours agree at once, whichever is later", arguments: [false, true])
    func ours(isDialerLater: Bool) throws {
        let (dialer, listener) = (try Side(.dialer), try Side(.listener))
        for _ in 0..<4 {
            if isDialerLater { try listener.hear(dialer.said()) }
            try dialer.hear(listener.said())
            if !isDialerLater { try listener.hear(dialer.said()) }
        }
        #expect(dialer.verdict == .success("/a") && listener.verdict == .success("/a"))
        #expect(dialer.role == .dialer && listener.role == .listener)
    }

    @Test("What is no negotiation at all fails as ever, and so does an end before anything was said")
    func endings() throws {
        for role in [ConnectionRole.dialer, .listener] {
            let strange = try Side(role)
            try strange.hear(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            #expect(strange.role == .listener)
            guard case .failure? = strange.verdict else {
                Issue.record("HTTP was agreed on")
                continue
            }
            let gone = try Side(role)
            gone.channel.pipeline.fireChannelInactive()
            #expect(gone.failure?.code == .unexpectedEnd && gone.role == nil)
            gone.wait()
            #expect(gone.role == nil)
        }
    }
}
