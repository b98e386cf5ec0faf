#if QUIC
    import CNgtcp2Shim
    import NIOCore

    /// Takes datagrams off the channel, and what the kernel joined apart again. It holds no buffer, so that the channel can use it again.
    final class QUICReadHandler: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>

        /// Datagrams that one call reads.
        static let datagrams = 32

        /// Bytes for one call; the kernel joins up to 64 KiB.
        static func capacity(isOffloading: Bool) -> Int { self.datagrams * (isOffloading ? 65_536 : 2_048) }

        private let endpoint: QUICEndpoint
        private var failure: (any Error)?
        /// One moment stands for a whole burst.
        private var now: NIODeadline?

        init(_ endpoint: QUICEndpoint) {
            self.endpoint = endpoint
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = self.unwrapInboundIn(data)
            guard let remote = quic_address(envelope.remoteAddress) else { return }
            let now = self.now ?? .now()
            self.now = now
            let local = self.local(envelope.metadata?.packetInfo)
            let ecn = envelope.metadata?.ecnState.bits ?? 0
            envelope.data.withUnsafeReadableBytes { bytes in
                let size = max(1, min(envelope.metadata?.segmentSize ?? bytes.count, bytes.count))
                var rest = bytes[...]
                while !rest.isEmpty {
                    let segment = UnsafeRawBufferPointer(rebasing: rest.prefix(size))
                    rest = rest.dropFirst(size)
                    self.endpoint.received(QUICDatagram(bytes: segment, local: local, remote: remote, ecn: ecn, now: now))
                }
            }
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            self.now = nil
            self.endpoint.burstEnded()
        }

        /// The address that the datagram was sent to: ours, or the one of ours that was meant when we listen on all.
        private func local(_ info: NIOPacketInfo?) -> quic_address {
            guard self.endpoint.isWildcard, let info, let address = quic_address(info.destinationAddress) else {
                return self.endpoint.address
            }
            return address.with(port: self.endpoint.address.port)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            self.failure = error
            self.endpoint.reportError(error)
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.endpoint.readerClosed(self.failure)
            context.fireChannelInactive()
        }
    }

    extension NIOExplicitCongestionNotificationState {
        /// As they stand in the IP header (RFC 3168).
        fileprivate var bits: UInt8 {
            switch self {
            case .transportNotCapable: 0
            case .transportCapableFlag1: 1
            case .transportCapableFlag0: 2
            case .congestionExperienced: 3
            }
        }
    }
#endif
