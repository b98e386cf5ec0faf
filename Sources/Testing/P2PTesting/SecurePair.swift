import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline

/// Two identities, each with its secure channel.
struct SecureSides {
    let dialer: any SecureChannel
    let listener: any SecureChannel
    let dialerPeer: PeerID
    let listenerPeer: PeerID
}

/// A secure channel's both ends on embedded channels; the wire between them is in the test's hand.
final class SecurePair {
    let dialer: EmbeddedChannel
    let listener: EmbeddedChannel
    private(set) var dialerResult: Result<SecuredChannel, any Error>?
    private(set) var listenerResult: Result<SecuredChannel, any Error>?
    /// Bytes that went from the dialer to the listener so far, and back.
    private(set) var carried = (toListener: 0, toDialer: 0)
    /// Bytes both ways until both sides were done; nil before.
    private(set) var handshakeLength: Int?

    init(
        _ sides: SecureSides, dialerExpects: PeerID? = nil, listenerExpects: PeerID? = nil, dialerMuxers: [ProtocolID] = [],
        listenerMuxers: [ProtocolID] = []
    ) throws {
        self.dialer = EmbeddedChannel()
        self.listener = EmbeddedChannel()
        for channel in [self.dialer, self.listener] { try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait() }
        let listening = self.listener.eventLoop.makePromise(of: SecuredChannel.self)
        listening.futureResult.assumeIsolated().whenComplete { self.listenerResult = $0 }
        sides.listener.secure(self.listener, role: .listener, expecting: listenerExpects, muxers: listenerMuxers, promise: listening)
        let dialling = self.dialer.eventLoop.makePromise(of: SecuredChannel.self)
        dialling.futureResult.assumeIsolated().whenComplete { self.dialerResult = $0 }
        sides.dialer.secure(self.dialer, role: .dialer, expecting: dialerExpects, muxers: dialerMuxers, promise: dialling)
    }

    deinit {
        for channel in [self.dialer, self.listener] {
            channel.close(promise: nil)
            channel.embeddedEventLoop.run()
        }
    }

    /// What one side has to say.
    func outbound(of channel: EmbeddedChannel) -> [UInt8] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    /// What one side has decrypted.
    func inbound(of channel: EmbeddedChannel) -> [UInt8] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let buffer = try? channel.readInbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    /// Hands bytes to one side; errors of its pipeline are its own affair.
    func deliver(_ bytes: [UInt8], to channel: EmbeddedChannel, pieceSize: Int = .max) {
        var rest = ByteBuffer(bytes: bytes)
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(pieceSize, rest.readableBytes)) {
            guard channel.isActive else { return }
            // Not `writeInbound`, which copies all that waits to be read for each piece.
            channel.pipeline.fireChannelRead(piece)
            channel.pipeline.fireChannelReadComplete()
        }
        channel.embeddedEventLoop.run()
    }

    /// Carries bytes both ways until both are silent. `change` may alter each flight, given how many bytes went before.
    func carry(pieceSize: Int = .max, change: (_ flight: inout [UInt8], _ before: Int) -> Void = { _, _ in }) {
        while true {
            var there = self.outbound(of: self.dialer)
            let before = self.carried.toListener + self.carried.toDialer
            change(&there, before)
            self.carried.toListener += there.count
            self.deliver(there, to: self.listener, pieceSize: pieceSize)
            self.noteTheEnd()
            var back = self.outbound(of: self.listener)
            change(&back, before + there.count)
            self.carried.toDialer += back.count
            self.deliver(back, to: self.dialer, pieceSize: pieceSize)
            self.noteTheEnd()
            if there.isEmpty, back.isEmpty { return }
        }
    }

    private func noteTheEnd() {
        guard self.handshakeLength == nil, self.dialerResult != nil, self.listenerResult != nil else { return }
        self.handshakeLength = self.carried.toListener + self.carried.toDialer
    }

    /// Whether both sides trust each other, and neither has taken it back.
    var isTrusted: Bool {
        guard case .success? = self.dialerResult, case .success? = self.listenerResult else { return false }
        return self.dialer.isActive && self.listener.isActive
    }

    /// Both results, once the handshake has succeeded on both sides.
    func handshake(pieceSize: Int = .max) throws -> (dialer: SecuredChannel, listener: SecuredChannel) {
        self.carry(pieceSize: pieceSize)
        guard let dialer = self.dialerResult, let listener = self.listenerResult else {
            throw ConformanceFailure(
                "the handshake came to a halt: dialer \(self.dialerResult == nil), listener \(self.listenerResult == nil)")
        }
        do {
            return (try dialer.get(), try listener.get())
        } catch {
            throw ConformanceFailure("the handshake failed", cause: error)
        }
    }

    /// Seals bytes as a muxer does, in as many records as they need.
    static func send(_ bytes: [UInt8], through secured: SecuredChannel) {
        let layout = secured.records.layout
        var rest = bytes[...]
        while !rest.isEmpty {
            let payload = rest.prefix(layout.maximumPayload)
            rest = rest.dropFirst(layout.maximumPayload)
            var record = ByteBufferAllocator().buffer(capacity: layout.headroom + payload.count + layout.tailroom)
            record.writeRepeatingByte(0, count: layout.headroom)
            record.moveReaderIndex(forwardBy: layout.headroom)
            record.writeBytes(payload)
            secured.records.write(record, promise: nil)
        }
        secured.records.flush()
    }
}
