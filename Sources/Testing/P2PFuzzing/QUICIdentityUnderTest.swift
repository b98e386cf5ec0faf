#if QUIC
    import Dispatch
    import P2PIdentity
    import P2PQUIC
    import Synchronization

    extension QUICEndpointFeed.Identity {
        /// The one peer that can sign. Signing is asynchronous, and a run is not: made once, before the first.
        static let vector: QUICEndpointFeed.Identity = {
            let made = Mutex<Result<QUICEndpointFeed.Identity, any Error>?>(nil)
            let isDone = DispatchSemaphore(value: 0)
            Task {
                do {
                    let identity = try await QUICEndpointFeed.Identity(try PrivateKey(protobufEncoded: FuzzIdentity.privateKeyMessage))
                    made.withLock { $0 = .success(identity) }
                } catch {
                    made.withLock { $0 = .failure(error) }
                }
                isDone.signal()
            }
            isDone.wait()
            guard case .success(let identity) = made.withLock({ $0 }) else { preconditionFailure("the vector key does not sign") }
            return identity
        }()
    }
#endif
