#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import NIOPosix
    import P2PCore

    /// The channel that reads an endpoint's socket.
    ///
    /// SwiftNIO closes a datagram channel when a read fails with anything but two error numbers, most of which say nothing about the
    /// socket. So the reader has a descriptor of its own: the socket stays bound, connections go on sending, and another reader is made.
    extension QUICEndpoint {
        func startReading() -> EventLoopFuture<Void> {
            guard !self.isClosed, self.state.reader == nil else { return self.eventLoop.makeSucceededVoidFuture() }
            var copy: CInt = -1
            let code = quic_socket_duplicate(self.state.descriptor, &copy)
            guard code == 0 else { return self.eventLoop.makeFailedFuture(IOError(errnoCode: code, reason: "fcntl")) }
            let isOffloading = self.configuration.usesOffload && System.supportsUDPReceiveOffload
            let capacity = QUICReadHandler.capacity(isOffloading: isOffloading)
            return DatagramBootstrap(group: self.eventLoop)
                .channelOption(.datagramVectorReadMessageCount, value: QUICReadHandler.datagrams)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: capacity))
                .channelOption(.explicitCongestionNotification, value: true)
                .channelOption(.receivePacketInfo, value: true)
                .channelInitializer { channel in
                    if isOffloading {
                        // Without it, datagrams come one at a time.
                        try? channel.syncOptions?.setOption(.datagramReceiveOffload, value: true)
                        try? channel.syncOptions?.setOption(.datagramReceiveSegmentSize, value: true)
                    }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(QUICReadHandler(self))
                    }
                }
                .withBoundSocket(copy)
                .map { self.adopt($0) }
        }

        private func adopt(_ channel: any Channel) {
            guard channel.isActive else { return }
            self.state.reader = channel
            if self.isClosed { channel.close(promise: nil) }
        }

        /// The reader is gone, whoever closed it.
        func readerClosed(_ error: (any Error)?) {
            self.state.reader = nil
            if self.isClosed { return self.closeSocket() }
            self.readingFailed(error)
        }

        private func readingFailed(_ error: (any Error)?) {
            guard case .goOn(let pause) = self.state.faults.failed((error as? IOError)?.errnoCode, at: .now()) else {
                return self.fail(error)
            }
            self.eventLoop.scheduleTask(in: pause) {
                guard !self.isClosed else { return self.closeSocket() }
                self.startReading().assumeIsolated().whenFailure { self.readingFailed($0) }
            }
        }
    }
#endif
