#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import NIOPosix
    import P2PCore

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    /// The channel that reads an endpoint's socket.
    ///
    /// SwiftNIO closes a datagram channel when a read fails with anything but two error numbers, most of which say nothing about the
    /// socket. So the reader has a descriptor of its own: the socket stays bound, connections go on sending, and another reader is made.
    extension QUICEndpoint {
        func startReading() -> EventLoopFuture<Void> {
            guard !self.isClosed, self.state.reader == nil else { return self.eventLoop.makeSucceededVoidFuture() }
            var copy: CInt = -1
            var code = quic_socket_duplicate(self.state.descriptor, &copy)
            guard code == 0 else { return self.eventLoop.makeFailedFuture(IOError(errnoCode: code, reason: "fcntl")) }
            code = quic_socket_try_poll(copy)
            guard code == 0 else {
                quic_socket_close(copy)
                return self.eventLoop.makeFailedFuture(IOError(errnoCode: code, reason: "epoll_ctl"))
            }
            let made = NIOLoopBoundBox<(any Channel)?>.makeEmptyBox(valueType: (any Channel).self, eventLoop: self.eventLoop)
            let reading = DatagramBootstrap(group: self.eventLoop)
                .channelInitializer { channel in
                    made.value = channel
                    return channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
                }
                .withBoundSocket(copy)
                .map { self.adopt($0) }
            // NIO leaves it open, and the port taken, when an option or the initializer fails.
            reading.whenFailure { _ in made.value?.close(promise: nil) }
            return reading
        }

        private func prepare(_ channel: any Channel) throws {
            let isOffloading = self.configuration.usesOffload && System.supportsUDPReceiveOffload
            let capacity = QUICReadHandler.capacity(isOffloading: isOffloading)
            let options = channel.syncOptions
            try options?.setOption(.datagramVectorReadMessageCount, value: QUICReadHandler.datagrams)
            try options?.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: capacity))
            try options?.setOption(.explicitCongestionNotification, value: true)
            try options?.setOption(.receivePacketInfo, value: true)
            if isOffloading {
                // Without it, datagrams come one at a time.
                try? options?.setOption(.datagramReceiveOffload, value: true)
                try? options?.setOption(.datagramReceiveSegmentSize, value: true)
            }
            try channel.pipeline.syncOperations.addHandler(QUICReadHandler(self))
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

        /// - Parameter number: what an error is taken for that has no number.
        private func readingFailed(_ error: (any Error)?, otherwise number: CInt? = nil) {
            guard case .goOn(let pause) = self.state.faults.failed((error as? IOError)?.errnoCode ?? number, at: .now()) else {
                return self.fail(error)
            }
            self.eventLoop.scheduleTask(in: pause) {
                guard !self.isClosed else { return self.closeSocket() }
                self.startReading().assumeIsolated().whenFailure { self.readingFailed($0, otherwise: EAGAIN) }
            }
        }
    }
#endif
