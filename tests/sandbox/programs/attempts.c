/* Tries what a program behind the wall must not be able to do; one line for each attempt: its name and the errno.
   argv: the number of the harness's process, a port that is open on the host, files of the host. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void say(const char *name, long answer)
{
    printf("%s %s\n", name, answer < 0 ? strerrorname_np(errno) : "worked");
    errno = 0;
}

static void join(const char *name, const char *ip, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    say(name, connect(fd, (struct sockaddr *)&to, sizeof to));
    close(fd);
}

static void attack_harness(pid_t harness)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    say("kill-harness", kill(harness, SIGKILL));
    say("ptrace-harness", ptrace(PTRACE_ATTACH, harness, 0, 0));
    say("read-harness", process_vm_readv(harness, &here, 1, &there, 1, 0));
    say("write-harness", process_vm_writev(harness, &here, 1, &there, 1, 0));
    say("prlimit-harness", prlimit(harness, RLIMIT_NOFILE, NULL, &(struct rlimit){0}));
    say("kill-init", kill(1, SIGKILL)); /* goes nowhere: the first process of a namespace is protected */
}

static void leave(int port)
{
    join("internet", "1.1.1.1", 80);
    join("metadata", "169.254.169.254", 80);
    join("host-loopback", "127.0.0.1", port);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "sockgrade-test-%d", port);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    say("host-abstract", connect(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 1 + length));
    say("vsock", socket(40, SOCK_STREAM, 0));
    say("alg", socket(38, SOCK_SEQPACKET, 0));
    say("packet", socket(17, SOCK_RAW, 0));
    say("bluetooth", socketpair(31, SOCK_STREAM, 0, (int[2]){0}));
    say("netlink-diag", socket(16, SOCK_RAW, 4));
    say("netlink-route", socket(16, SOCK_RAW, 0));
    say("raw", socket(AF_INET, SOCK_RAW, 1));
}

static void climb(void)
{
    say("unshare-user", unshare(CLONE_NEWUSER));
    say("unshare-net", unshare(CLONE_NEWNET));
    say("clone-user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    say("clone3", syscall(435, NULL, 0));
    say("setns", setns(0, 0));
    say("mount", mount("none", "/tmp", "tmpfs", 0, ""));
    say("umount", umount("/tmp"));
    say("open-tree", syscall(428, -100, "/", 1));
    say("chroot", chroot("/tmp"));
    say("pivot", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    say("keyctl", syscall(SYS_keyctl, 0, -3, 0));
    say("add-key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
    say("io-uring", syscall(425, 1, NULL));
    say("bpf", syscall(SYS_bpf, 0, NULL, 0));
    say("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("by-handle", syscall(SYS_open_by_handle_at, -1, NULL, 0));
    say("dumpable", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    say("setuid", setuid(0));
    say("setgroups", syscall(SYS_setgroups, 0, NULL));
    say("hostname", sethostname("x", 1));
    say("clock", clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0}));
    say("date", settimeofday(&(struct timeval){1, 0}, NULL));
    say("realtime", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}));
    say("nice", setpriority(PRIO_PROCESS, 0, -5));
    say("device", mknod("/tmp/device", 0020666, 0x101));
    struct rlimit more;
    getrlimit(RLIMIT_NPROC, &more);
    more.rlim_cur = ++more.rlim_max;
    say("more-processes", setrlimit(RLIMIT_NPROC, &more));
}

static void write_outside(void)
{
    const char *places[] = {"/x", "/etc/x", "/dev/x", "/usr/x", "/proc/sys/net/ipv4/tcp_fin_timeout",
                            "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/sys/x", "/dev/mem", "/dev/vda", NULL};
    char name[100];
    for (const char **place = places; *place; place++) {
        snprintf(name, sizeof name, "write:%s", *place);
        int fd = open(*place, O_WRONLY | O_CREAT, 0600);
        say(name, fd < 0 ? -1 : write(fd, "-1000", 5));
    }
}

static void see(int count, char **files)
{
    char name[4200];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "read:%s", files[i]);
        say(name, open(files[i], O_RDONLY));
    }
    say("terminal", open("/dev/tty", O_RDWR));
    say("type-into-terminal", ioctl(1, 0x5412, "x"));
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (atoi(entry->d_name))
            printf("process:%s there\n", entry->d_name);
    closedir(folder);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("descriptor:%d there\n", fd);
}

int main(int argc, char **argv)
{
    see(argc - 3, argv + 3);
    attack_harness(atoi(argv[1]));
    leave(atoi(argv[2]));
    climb();
    write_outside();
    return 0;
}
