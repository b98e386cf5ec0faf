#if TLS
    import NIOCore
    import NIOSSL
    import P2PCore
    import P2PPipeline

    /// Stands in front of the library's handler until the handshake is done: reads a dialer's offers, then installs that handler,
    /// and bounds what a peer may send before it has proved who it is.
    final class TLSGate: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private enum Phase {
            case waiting
            /// A dialer's first message is on its way.
            case greeting(ClientHelloReader)
            case handshake
            case over
        }

        private let handshake: TLSHandshake
        private let handler: TLSHandler
        private var phase = Phase.waiting
        /// What has arrived of the first message.
        private var greeting = ByteBuffer()
        /// Bytes that arrived for the library.
        private var received = 0

        init(handshake: TLSHandshake, handler: TLSHandler) {
            self.handshake = handshake
            self.handler = handler
        }

        func handlerAdded(context: ChannelHandlerContext) {
            if context.channel.isActive { self.start(context: context) }
        }

        func channelActive(context: ChannelHandlerContext) {
            self.start(context: context)
            context.fireChannelActive()
        }

        private func start(context: ChannelHandlerContext) {
            guard case .waiting = self.phase else { return }
            self.handler.gate = self
            switch self.handshake.role {
            case .listener:
                self.phase = .greeting(ClientHelloReader())
            case .dialer:
                self.install(context: context) { () throws(TLSError) in try self.handshake.dial() }
            }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch self.phase {
            case .waiting, .over:
                break
            case .greeting(let reader):
                var bytes = self.unwrapInboundIn(data)
                if self.greeting.readableBytes == 0 { self.greeting = bytes } else { self.greeting.writeBuffer(&bytes) }
                self.read(reader, context: context)
            case .handshake:
                self.pass(self.unwrapInboundIn(data), context: context)
            }
        }

        private func read(_ reader: ClientHelloReader, context: ChannelHandlerContext) {
            var reader = reader
            let progress = reader.read(self.greeting.readableBytesView)
            // Also where all of it has come at once.
            guard (progress == .more ? self.greeting.readableBytes : reader.offset) <= TLSLimits.maximumClientHello else {
                self.refuse(
                    TLSError(.handshakeTooLong, "the dialer's first message is longer than \(TLSLimits.maximumClientHello) bytes"),
                    context: context)
                return
            }
            let offers: [[UInt8]]?
            switch progress {
            case .offers(let names): offers = names
            case .unreadable: offers = nil
            case .more:
                self.phase = .greeting(reader)
                return
            }
            self.install(context: context) { () throws(TLSError) in try self.handshake.accept(offers) }
            let greeting = self.greeting
            self.greeting = ByteBuffer()
            if case .handshake = self.phase { self.pass(greeting, context: context) }
        }

        /// Puts the library's handler behind this one.
        private func install(context: ChannelHandlerContext, _ make: () throws(TLSError) -> NIOSSLHandler) {
            do throws(TLSError) {
                let library = try make()
                self.phase = .handshake
                self.handler.library = library
                do {
                    ReadRoom.expectLibrary(in: context.channel)
                    try context.pipeline.syncOperations.addHandler(library, position: .after(self))
                } catch {
                    throw TLSError(.closed, "the channel takes no handler any more", cause: error)
                }
            } catch {
                self.refuse(error, context: context)
            }
        }

        private func pass(_ bytes: ByteBuffer, context: ChannelHandlerContext) {
            self.received += bytes.readableBytes
            context.fireChannelRead(self.wrapInboundOut(bytes))
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            switch self.phase {
            case .waiting, .greeting:
                // Nothing was passed on, so whoever asked for a read got none.
                context.read()
            case .over:
                break
            case .handshake:
                context.fireChannelReadComplete()
                guard self.received > TLSLimits.maximumHandshake, !self.handler.isOver else { return }
                // The library goes on with a handshake on the next turn of the loop, when the certificate has been judged; what a quick
                // peer has sent behind its handshake is not held against it.
                let gate = NIOLoopBound(self, eventLoop: context.eventLoop)
                let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
                context.eventLoop.execute {
                    guard !gate.value.handler.isOver else { return }
                    gate.value.refuse(
                        TLSError(.handshakeTooLong, "the peer sent \(gate.value.received) bytes and its handshake is not done"),
                        context: bound.value)
                }
            }
        }

        private func refuse(_ error: TLSError, context: ChannelHandlerContext) {
            self.phase = .over
            self.greeting = ByteBuffer()
            if error.code == .noApplicationProtocol {
                context.writeAndFlush(self.wrapOutboundOut(Self.noApplicationProtocol), promise: nil)
            }
            self.handler.refuse(error)
            context.close(promise: nil)
        }

        /// The fatal alert no_application_protocol in a record of its own (RFC 7301, section 3.2; RFC 8446, section 6).
        private static let noApplicationProtocol = ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, 120])
    }
#endif
