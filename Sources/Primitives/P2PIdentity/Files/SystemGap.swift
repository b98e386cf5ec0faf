#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// What file systems say of calls that they have not got. They do not agree: FAT, FUSE, SMB and 9P each say it in their own way.
enum SystemGap {
    /// Whether an `errno` may mean that the file system, or a filter of system calls, does not offer the call.
    static func isOne(_ code: CInt) -> Bool {
        switch code {
        case EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM, EACCES, EMLINK, EBADF, ENOTTY, EROFS: true
        default: false
        }
    }
}
